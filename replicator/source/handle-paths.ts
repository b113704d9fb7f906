import type { OpenHandle } from '#contracts/journal/message.ts';
import type { Operation } from '#contracts/journal/operation.ts';
import { isWithin } from '../tree/path.ts';

/** Where the files behind the SFTP node's open handles are now; null once removed while open. */
export class HandlePaths {
  readonly #paths = new Map<number, Buffer | null>();

  get(handle: number): Buffer | null {
    return this.#paths.get(handle) ?? null;
  }

  /** The table as the node tells it. */
  replace(handles: readonly OpenHandle[]): void {
    this.#paths.clear();
    for (const { handle, path } of handles) this.#paths.set(handle, path.length === 0 ? null : path);
  }

  isOpen(path: Buffer): boolean {
    return [...this.#paths.values()].some((open) => open?.equals(path));
  }

  follow(operation: Operation): void {
    switch (operation.kind) {
      case 'open':
        this.#paths.set(operation.handle, Buffer.from(operation.path));
        break;
      case 'close':
        this.#paths.delete(operation.handle);
        break;
      case 'remove':
        this.#forget(operation.path);
        break;
      case 'rename':
        this.#rename(operation.from, operation.to);
        break;
      default:
        break;
    }
  }

  #forget(path: Buffer): void {
    for (const [handle, open] of this.#paths) if (open?.equals(path)) this.#paths.set(handle, null);
  }

  #rename(from: Buffer, to: Buffer): void {
    if (from.equals(to)) return;
    this.#forget(to);
    for (const [handle, open] of this.#paths) {
      if (open !== null && isWithin(open, from)) {
        this.#paths.set(handle, Buffer.concat([to, open.subarray(from.length)]));
      }
    }
  }
}
