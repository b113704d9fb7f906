import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  ftruncateSync,
  futimesSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import type { Operation } from '#contracts/journal/operation.ts';

/** The least that turns a journal into a tree: what every operation means, in a few lines. */
export class Applier {
  readonly #root: string;
  readonly #open = new Map<number, number>();

  constructor(root: string) {
    this.#root = root;
  }

  apply(operation: Operation): void {
    switch (operation.kind) {
      case 'open': {
        const { create, exclusive, truncate } = operation.flags;
        const flags =
          constants.O_RDWR |
          constants.O_NOFOLLOW |
          (create ? constants.O_CREAT : 0) |
          (create && exclusive ? constants.O_EXCL : 0) |
          (truncate ? constants.O_TRUNC : 0);
        this.#open.set(operation.handle, openSync(this.#at(operation.path), flags, operation.mode));
        return;
      }
      case 'write':
        writeSync(this.#fd(operation.handle), operation.data, 0, operation.data.length, operation.offset);
        return;
      case 'set-handle-attributes': {
        const { size, mode, accessedAt, modifiedAt } = operation.attributes;
        const fd = this.#fd(operation.handle);
        if (size !== undefined) ftruncateSync(fd, size);
        if (mode !== undefined) fchmodSync(fd, mode);
        if (accessedAt !== undefined && modifiedAt !== undefined) futimesSync(fd, accessedAt, modifiedAt);
        return;
      }
      case 'set-attributes': {
        const { size, mode, accessedAt, modifiedAt } = operation.attributes;
        const path = this.#at(operation.path);
        if (size !== undefined) truncateSync(path, size);
        if (mode !== undefined) chmodSync(path, mode);
        if (accessedAt !== undefined && modifiedAt !== undefined) utimesSync(path, accessedAt, modifiedAt);
        return;
      }
      case 'close':
        closeSync(this.#fd(operation.handle));
        this.#open.delete(operation.handle);
        return;
      case 'rename':
        renameSync(this.#at(operation.from), this.#at(operation.to));
        return;
      case 'remove':
        unlinkSync(this.#at(operation.path));
        return;
      case 'mkdir':
        mkdirSync(this.#at(operation.path), { mode: operation.mode });
        return;
      case 'rmdir':
        rmdirSync(this.#at(operation.path));
        return;
      case 'symlink':
        symlinkSync(operation.target, this.#at(operation.path));
        return;
      case 'link':
        linkSync(this.#at(operation.existing), this.#at(operation.path));
        return;
      case 'sync':
      case 'barrier':
    }
  }

  get openHandles(): number {
    return this.#open.size;
  }

  #at(path: Buffer): Buffer {
    return Buffer.concat([Buffer.from(`${this.#root}/`), path]);
  }

  #fd(handle: number): number {
    const fd = this.#open.get(handle);
    if (fd === undefined) throw new Error(`handle ${handle} is not open`);
    return fd;
  }
}
