/**
 * Every fsync of this process, by the path of its descriptor. Imported for its effect before what is watched: modules
 * keep the function that they found when they were loaded.
 */
import fs, { fstatSync, readlinkSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

type Callback = (error: NodeJS.ErrnoException | null) => void;

interface Waiting {
  readonly path: string;
  run(): void;
}

class Fsyncs {
  /** Paths of what is on disk, in order. */
  readonly done: string[] = [];
  /** Asked for and not done yet, while they are held. */
  #waiting: Waiting[] = [];
  #held: string | null = null;
  /** What those below a folder fail with, as when the disk breaks. */
  failure: { readonly folder: string; readonly code: string } | null = null;
  /** Called with each path before it is synced. */
  onSync: (path: string) => void = () => {};

  reset(): void {
    this.release();
    this.done.length = 0;
    this.failure = null;
    this.onSync = () => {};
  }

  /** From now on none below the folder is done until `release`. */
  hold(folder: string): void {
    this.#held = folder;
  }

  release(): void {
    this.#held = null;
    for (const { run } of this.#waiting.splice(0)) run();
  }

  /** Sorted, each once. */
  get waiting(): string[] {
    return [...new Set(this.#waiting.map(({ path }) => path))].sort();
  }

  /** Sorted, each once. */
  get paths(): string[] {
    return [...new Set(this.done)].sort();
  }

  fsync(fd: number, callback: Callback): void {
    const path = pathOf(fd);
    this.onSync(path);
    const run = () => {
      const failure = this.#failureOf(path);
      if (failure !== null) {
        process.nextTick(callback, failure);
        return;
      }
      realFsync(fd, (error) => {
        if (error === null) this.done.push(path);
        callback(error);
      });
    };
    if (this.#held !== null && path.startsWith(this.#held)) this.#waiting.push({ path, run });
    else run();
  }

  #failureOf(path: string): NodeJS.ErrnoException | null {
    if (this.failure === null || !path.startsWith(this.failure.folder)) return null;
    const { code } = this.failure;
    return Object.assign(new Error(code), { code });
  }

  fsyncSync(fd: number): void {
    const path = pathOf(fd);
    this.onSync(path);
    const failure = this.#failureOf(path);
    if (failure !== null) throw failure;
    realFsyncSync(fd);
    this.done.push(path);
  }
}

function pathOf(fd: number): string {
  fstatSync(fd);
  return readlinkSync(`/proc/self/fd/${fd}`);
}

const { fsync: realFsync, fsyncSync: realFsyncSync } = fs;
export const fsyncs = new Fsyncs();
fs.fsync = ((fd: number, callback: Callback) => fsyncs.fsync(fd, callback)) as typeof fs.fsync;
fs.fsyncSync = (fd) => fsyncs.fsyncSync(fd);
fs.fdatasync = fs.fsync;
fs.fdatasyncSync = fs.fsyncSync;
syncBuiltinESMExports();
