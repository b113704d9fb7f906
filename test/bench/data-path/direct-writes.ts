import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** The comparison: the SFTP worker writes itself, and tells the engine of ranges alone. */
export class DirectWrites {
  readonly #root: string;
  readonly #files = new Map<number, number>();

  constructor(root: string) {
    this.#root = root;
  }

  open(handle: number, path: string): void {
    this.#files.set(handle, openSync(join(this.#root, path), constants.O_WRONLY));
  }

  write(handle: number, offset: number, data: Buffer): void {
    const fd = this.#files.get(handle);
    if (fd !== undefined) writeSync(fd, data, 0, data.length, offset);
  }

  close(handle: number): void {
    const fd = this.#files.get(handle);
    if (fd !== undefined) closeSync(fd);
    this.#files.delete(handle);
  }
}
