import { close, constants, mkdirSync, openSync, write, writevSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Flusher, GroupFlush } from './flusher.ts';
import { type Frame, frameKind } from './frames.ts';
import type { Log } from './log.ts';
import type { Variant } from './options.ts';

interface Directory {
  readonly fd: number;
  readonly flush: GroupFlush;
  active: Promise<void> | null;
}

interface OpenFile {
  readonly fd: number;
  readonly directory: Directory;
  unflushedBytes: number;
  behind: Promise<void> | null;
  /** Writes under way elsewhere. */
  writing: Promise<void>;
}

/** The apply path, the same on both hosts. */
export class Tree {
  readonly #root: string;
  readonly #log: Log;
  readonly #flusher: Flusher;
  readonly #variant: Variant;
  readonly #directories = new Map<string, Directory>();
  readonly #files = new Map<number, OpenFile>();

  constructor(root: string, log: Log, flusher: Flusher, variant: Variant) {
    this.#root = root;
    this.#log = log;
    this.#flusher = flusher;
    this.#variant = variant;
  }

  /** Resolves at once, save for the first change in a directory: that waits until the log says it (P1). */
  activate(path: string): Promise<void> | null {
    if (!this.#variant.activation) return null;
    const directory = this.#directory(dirname(path));
    directory.active ??= this.#log.flush();
    return directory.active;
  }

  open(handle: number, path: string): void {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;
    const fd = openSync(join(this.#root, path), flags, 0o644);
    const directory = this.#directory(dirname(path));
    this.#files.set(handle, {
      fd,
      directory,
      unflushedBytes: 0,
      behind: null,
      writing: Promise.resolve(),
    });
  }

  mkdir(path: string): void {
    mkdirSync(join(this.#root, path));
    // What is made now was not there at the checkpoint: the record of its mkdir says all that activation would.
    this.#directory(path).active = Promise.resolve();
  }

  descriptor(handle: number): number {
    return this.#file(handle).fd;
  }

  /** Writes what lies end to end, in this thread. */
  write(handle: number, offset: number, payloads: readonly Buffer[], bytes: number): void {
    const file = this.#file(handle);
    const written = writevSync(file.fd, payloads as Buffer[], offset);
    if (written !== bytes) throw new Error(`${written} of ${bytes} bytes were written`);
    this.wrote(handle, bytes);
  }

  /** The same in libuv's pool. */
  writeInPool(handle: number, offset: number, payload: Buffer): Promise<void> {
    const { fd } = this.#file(handle);
    return new Promise((resolve, reject) =>
      write(fd, payload, 0, payload.length, offset, (error) => {
        if (error !== null) reject(error);
        else {
          this.wrote(handle, payload.length);
          resolve();
        }
      }),
    );
  }

  /** A write of this handle is under way: its barrier waits for it. */
  writing(handle: number, done: Promise<void>): void {
    const file = this.#file(handle);
    file.writing = Promise.all([file.writing, done]).then(() => undefined);
  }

  wrote(handle: number, bytes: number): void {
    const { flushBehindBytes } = this.#variant;
    const file = this.#file(handle);
    file.unflushedBytes += bytes;
    if (flushBehindBytes === 0 || file.unflushedBytes < flushBehindBytes || file.behind !== null) return;
    file.unflushedBytes = 0;
    file.behind = this.#flusher.flush(file.fd, 'behind').then(() => {
      file.behind = null;
    });
  }

  /** What is not on the disk of this file is too much: nothing more is read until the flush is through. */
  isBehind(handle: number): Promise<void> | null {
    const { behind, unflushedBytes } = this.#file(handle);
    return unflushedBytes > 4 * this.#variant.flushBehindBytes ? behind : null;
  }

  /** P3: the log, the file and its directory, side by side. */
  async close(handle: number): Promise<void> {
    const file = this.#file(handle);
    this.#files.delete(handle);
    await file.writing;
    await Promise.all([
      this.#log.flush(),
      this.#flusher.flush(file.fd, 'barrier'),
      file.directory.flush.flush(),
    ]);
    await file.behind;
    close(file.fd);
  }

  async flushDirectory(path: string): Promise<void> {
    await Promise.all([this.#log.flush(), this.#directory(path).flush.flush()]);
  }

  /** Opens and makes directories; writes and CLOSE are for the caller, who knows where their bytes are. */
  async changeName({ kind, handle, payload }: Frame): Promise<void> {
    const path = payload.toString();
    const active = this.activate(path);
    if (active !== null) await active;
    if (kind === frameKind.open) this.open(handle, path);
    else this.mkdir(path);
  }

  #file(handle: number): OpenFile {
    const file = this.#files.get(handle);
    if (file === undefined) throw new Error(`no handle ${handle}`);
    return file;
  }

  #directory(path: string): Directory {
    const known = this.#directories.get(path);
    if (known !== undefined) return known;
    const fd = openSync(join(this.#root, path), constants.O_RDONLY | constants.O_DIRECTORY);
    const flush = new GroupFlush(() => this.#flusher.flush(fd, 'barrier'));
    const directory: Directory = { fd, flush, active: null };
    this.#directories.set(path, directory);
    return directory;
  }
}
