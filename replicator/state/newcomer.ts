import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeDurably } from './durable-file.ts';

/**
 * Whether the log was begun anew, with everything doubted, since the roots of this host count for nothing: that is done
 * once, so that a full comparison goes on after a restart where it was. The note names the identities of the roots.
 */
export class Newcomer {
  readonly #path: string;

  constructor(stateRoot: string) {
    this.#path = join(stateRoot, 'newcomer');
  }

  hasBegun(rootIds: string): boolean {
    try {
      return readFileSync(this.#path, 'utf8') === rootIds;
    } catch {
      return false;
    }
  }

  /** Durable on return. */
  begun(rootIds: string): void {
    writeDurably(this.#path, rootIds, 0o600);
  }

  /** The roots have their identity. */
  admitted(): void {
    rmSync(this.#path, { force: true });
  }
}
