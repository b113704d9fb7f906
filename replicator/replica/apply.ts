import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsync,
  ftruncateSync,
  futimesSync,
  linkSync,
  lstatSync,
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
import { promisify } from 'node:util';
import type { Attributes, Operation } from '#contracts/journal/operation.ts';
import { parentOf, splitPath } from '../tree/path.ts';
import { errnoOf, openEntry, type Tree, through } from '../tree/tree.ts';

const fsyncAsync = promisify(fsync);
/** Directories whose names changed are kept open until the next flush, at most this many. */
const maxChangedDirectories = 64;

/**
 * Applies the leader's operations to this host's tree, in order. An operation that fails means that the trees are
 * not what the leader thinks: the caller stops and catches up.
 */
export class Applier {
  readonly #tree: Tree;
  /** null: the file was removed before this host took part; writes to it go nowhere, as they do there. */
  readonly #handles = new Map<number, number | null>();
  readonly #unsynced = new Set<number>();
  /** Closed by the leader, but not yet on disk. */
  readonly #closing = new Set<number>();
  readonly #changedDirectories = new Map<string, number>();
  /** The files that the next flush has to bring to disk; an upload that still runs beside is not among them. */
  readonly #wanted = new Set<number>();
  #wantsAll = false;

  constructor(tree: Tree) {
    this.#tree = tree;
  }

  /** Opens what the leader has open, under its handles; an empty path is a file that was removed while open. */
  adopt(handles: readonly { handle: number; path: Buffer }[]): void {
    this.closeAll();
    for (const { handle, path } of handles) {
      this.#handles.set(handle, path.length === 0 ? null : this.#openExisting(path));
    }
  }

  closeAll(): void {
    for (const file of new Set([...this.#handles.values(), ...this.#closing])) {
      if (file !== null) closeSync(file);
    }
    for (const directory of this.#changedDirectories.values()) closeSync(directory);
    this.#handles.clear();
    this.#closing.clear();
    this.#unsynced.clear();
    this.#wanted.clear();
    this.#changedDirectories.clear();
  }

  /** Whether so much waits for a flush that one should come soon. */
  get wantsFlush(): boolean {
    return this.#changedDirectories.size >= maxChangedDirectories || this.#closing.size >= 256;
  }

  /** @param durable whether what the operation did has to be on disk after the next flush */
  apply(operation: Operation, durable: boolean): void {
    if (durable) this.#want(operation);
    switch (operation.kind) {
      case 'open':
        this.#open(operation);
        break;
      case 'write':
        this.#write(operation);
        break;
      case 'set-handle-attributes':
        this.#setHandleAttributes(operation.handle, operation.attributes);
        break;
      case 'close':
        this.#close(operation.handle);
        break;
      case 'set-attributes':
        this.#setAttributes(operation.path, operation.attributes, durable);
        break;
      case 'rename':
        this.#tree.withEntry(operation.from, (from) =>
          this.#tree.withEntry(nameGiven(operation.to), (to) => renameSync(from, to)),
        );
        this.#changed(operation.from);
        this.#changed(operation.to);
        break;
      case 'remove':
        this.#entry(operation.path, (entry) => unlinkSync(entry));
        break;
      case 'mkdir':
        this.#entry(operation.path, (entry) => mkdirSync(entry, operation.mode & 0o7777));
        break;
      case 'rmdir':
        this.#entry(operation.path, (entry) => rmdirSync(entry));
        break;
      case 'symlink':
        this.#entry(operation.path, (entry) => symlinkSync(operation.target, entry));
        break;
      case 'link':
        this.#tree.withEntry(operation.existing, (existing) =>
          this.#tree.withEntry(nameGiven(operation.path), (entry) => linkSync(existing, entry)),
        );
        this.#changed(operation.path);
        break;
      case 'sync':
      case 'barrier':
        break;
    }
  }

  /** From now on the next flush is of everything. */
  wantAll(): void {
    this.#wantsAll = true;
  }

  /** What was to be durable is on disk when this resolves, and every change of a name. */
  async flush(): Promise<void> {
    const all = this.#wantsAll || this.wantsFlush;
    const files = [...(all ? this.#unsynced : this.#wanted)].filter((file) => this.#unsynced.has(file));
    const directories = [...this.#changedDirectories.values()];
    this.#wantsAll = false;
    this.#wanted.clear();
    this.#changedDirectories.clear();
    try {
      await Promise.all(files.map((file) => fsyncAsync(file)));
      await Promise.all(directories.map((directory) => fsyncAsync(directory)));
    } finally {
      for (const directory of directories) closeSync(directory);
      for (const file of files) {
        this.#unsynced.delete(file);
        if (this.#closing.delete(file)) closeSync(file);
      }
    }
  }

  #want(operation: Operation): void {
    if (operation.kind === 'barrier') this.#wantsAll = true;
    const file = 'handle' in operation ? this.#handles.get(operation.handle) : null;
    if (file !== null && file !== undefined) this.#wanted.add(file);
  }

  #open({ handle, path, flags, mode }: Extract<Operation, { kind: 'open' }>): void {
    if (this.#handles.has(handle)) throw new Error(`handle ${handle} is open already`);
    const bits =
      constants.O_WRONLY |
      constants.O_NONBLOCK |
      (flags.create ? constants.O_CREAT : 0) |
      (flags.exclusive ? constants.O_EXCL : 0) |
      (flags.truncate ? constants.O_TRUNC : 0);
    const existed = !flags.create || this.#exists(path);
    const file =
      flags.create || flags.truncate ? this.#tree.open(path, bits, mode & 0o7777) : this.#openExisting(path);
    this.#handles.set(handle, file);
    if (!fstatSync(file).isFile()) throw new Error('it is not a regular file');
    if (flags.truncate) this.#unsynced.add(file);
    if (existed) return;
    this.#unsynced.add(file);
    this.#changed(path);
  }

  /** For writing; a file that its mode makes read-only was opened for its attributes. */
  #openExisting(path: Buffer): number {
    try {
      return this.#tree.open(path, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      if (errnoOf(error) !== 'EACCES') throw error;
      return this.#tree.open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    }
  }

  #write({ handle, offset, data }: Extract<Operation, { kind: 'write' }>): void {
    const file = this.#file(handle);
    if (file === null) return;
    for (let at = 0; at < data.length; ) at += writeSync(file, data, at, data.length - at, offset + at);
    this.#unsynced.add(file);
  }

  #setHandleAttributes(handle: number, { size, mode, accessedAt, modifiedAt }: Attributes): void {
    const file = this.#file(handle);
    if (file === null) return;
    if (size !== undefined) ftruncateSync(file, size);
    if (mode !== undefined) fchmodSync(file, mode & 0o7777);
    if (accessedAt !== undefined || modifiedAt !== undefined) {
      const now = fstatSync(file);
      futimesSync(file, accessedAt ?? now.atimeMs / 1000, modifiedAt ?? now.mtimeMs / 1000);
    }
    this.#unsynced.add(file);
  }

  #close(handle: number): void {
    const file = this.#file(handle);
    this.#handles.delete(handle);
    if (file === null) return;
    if (this.#unsynced.has(file)) this.#closing.add(file);
    else closeSync(file);
  }

  #setAttributes(path: Buffer, { size, mode, accessedAt, modifiedAt }: Attributes, durable: boolean): void {
    this.#tree.withEntry(path, (entry) => {
      const handle = openEntry(entry);
      try {
        const file = through(handle);
        this.#syncLater(file, durable);
        if (size !== undefined) truncateSync(file, size);
        if (mode !== undefined) chmodSync(file, mode & 0o7777);
        if (accessedAt === undefined && modifiedAt === undefined) return;
        const now = fstatSync(handle);
        utimesSync(file, accessedAt ?? now.atimeMs / 1000, modifiedAt ?? now.mtimeMs / 1000);
      } finally {
        closeSync(handle);
      }
    });
  }

  /** A handle for the coming fsync, taken before the mode may forbid it. */
  #syncLater(path: string, durable: boolean): void {
    try {
      const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      this.#unsynced.add(file);
      this.#closing.add(file);
      if (durable) this.#wanted.add(file);
    } catch (error) {
      if (errnoOf(error) !== 'EACCES') throw error;
    }
  }

  #entry(path: Buffer, change: (entry: Buffer) => void): void {
    this.#tree.withEntry(nameGiven(path), change);
    this.#changed(path);
  }

  #changed(path: Buffer): void {
    const parent = parentOf(path);
    const directory = this.#tree.openDirectory(parent);
    const { dev, ino } = fstatSync(directory, { bigint: true });
    const key = `${dev}:${ino}`;
    if (this.#changedDirectories.has(key)) closeSync(directory);
    else this.#changedDirectories.set(key, directory);
  }

  #exists(path: Buffer): boolean {
    return this.#tree.withEntry(path, (entry) => lstatSync(entry, { throwIfNoEntry: false }) !== undefined);
  }

  #file(handle: number): number | null {
    const file = this.#handles.get(handle);
    if (file === undefined) throw new Error(`handle ${handle} is not open`);
    return file;
  }
}

/** The root itself is not an operation's to make, move or remove. */
function nameGiven(path: Buffer): Buffer {
  if (splitPath(path).length === 0) throw new Error('an operation on the root');
  return path;
}
