import { isWithin } from '../tree/path.ts';
import { DirtyDirectories } from './dirty-directories.ts';
import { Flushable, type FlushFailure } from './flushable.ts';

/** A file that is open for a client, or was closed by it and is not yet on the disk. Its descriptor is the one that wrote. */
export class DirtyFile extends Flushable {
  readonly inode: bigint;
  isOpen = true;
  /** Directories that were dirty when the file got a name in them. */
  readonly names = new Set<Flushable>();

  constructor(fd: number, inode: bigint, path: Buffer) {
    super(fd, path);
    this.inode = inode;
  }
}

/** What a record changed, as a barrier needs it. */
export interface FlushScope {
  readonly files: readonly DirtyFile[];
  /** Names that it made, changed or took away. */
  readonly paths: readonly Buffer[];
}

/** Called before the change itself is made, in its turn: what they start has to begin after it. */
export interface DirtyFilesEvents {
  /** Bytes were written that no flush covers yet. */
  onWritten(file: DirtyFile, bytes: number): void;
  /** A file was closed while it was dirty, or a directory got dirty: descriptors are kept for them. */
  onKept(): void;
  /** Nobody waits any more for this many bytes: the file is gone, or given up. */
  onReleased(bytes: number): void;
}

const nobody: DirtyFilesEvents = { onWritten() {}, onKept() {}, onReleased() {} };

/**
 * What is only in the page cache: book-keeping without a disk call but close. It owns the descriptors of files that
 * were opened through the applier, and closes each once no client has it open and it is on the disk.
 */
export class DirtyFiles {
  readonly directories = new DirtyDirectories((directory) => this.settle(directory));
  readonly #byInode = new Map<bigint, Set<DirtyFile>>();
  /** Files whose fsync failed, with the path they had: to be replaced by new ones, until they are removed. */
  readonly #failed = new Map<bigint, FlushFailure>();
  readonly #close: (fd: number) => void;
  /** Closed by the client, but not yet on the disk. */
  readonly #kept = new Set<DirtyFile>();
  #events = nobody;

  constructor(close: (fd: number) => void) {
    this.#close = close;
  }

  tell(events: DirtyFilesEvents): void {
    this.#events = events;
  }

  /** Descriptors that wait for a flush: closed files and directories. */
  get kept(): number {
    return this.#kept.size + this.directories.size;
  }

  get files(): DirtyFile[] {
    return [...this.#byInode.values()].flatMap((files) => [...files]);
  }

  /** Descriptors that wait for a flush. */
  get keptNow(): Flushable[] {
    return [...this.#kept, ...this.directories.all];
  }

  /** Why nothing that is read from or written to this file counts, or null. */
  failureOf(inode: bigint): FlushFailure | null {
    return this.#failed.get(inode) ?? null;
  }

  /** From here on the descriptor is closed by this object. */
  opened(fd: number, inode: bigint, path: Buffer): DirtyFile {
    const file = new DirtyFile(fd, inode, path);
    file.failure = this.failureOf(inode);
    const same = this.#byInode.get(inode);
    if (same === undefined) this.#byInode.set(inode, new Set([file]));
    else same.add(file);
    this.#named(file, path);
    return file;
  }

  /** A descriptor of this file that a client has open, if any. */
  openOf(inode: bigint): DirtyFile | null {
    for (const file of this.of(inode)) if (file.isOpen) return file;
    return null;
  }

  of(inode: bigint): ReadonlySet<DirtyFile> {
    return this.#byInode.get(inode) ?? new Set();
  }

  changed(file: DirtyFile, bytes = 0): void {
    file.changed();
    if (bytes === 0 || file.failure !== null) return;
    file.unflushedBytes += bytes;
    this.#events.onWritten(file, bytes);
  }

  closed(file: DirtyFile): void {
    file.isOpen = false;
    if (file.isDirty) {
      this.#kept.add(file);
      this.#events.onKept();
    }
    this.settle(file);
  }

  /** @param open gives a descriptor of the directory that can be fsynced. Returns the one that is kept. */
  nameChanged(directory: Buffer, open: () => number): number {
    const { fd } = this.directories.changed(directory, open);
    this.#events.onKept();
    return fd;
  }

  /** The file has a name more, in a directory that has been told of. */
  linked(inode: bigint, path: Buffer): void {
    for (const file of this.of(inode)) this.#named(file, path);
  }

  /** Both directories have been told of. `inode`: of what was moved, when it is no directory. */
  movedFile(inode: bigint, from: Buffer, to: Buffer): void {
    for (const file of this.of(inode)) {
      this.#named(file, from);
      this.#named(file, to);
      if (file.path.equals(from)) file.path = to;
    }
  }

  /** The directories above both names have been told of. */
  movedDirectory(from: Buffer, to: Buffer): void {
    for (const file of this.files) {
      if (!isWithin(file.path, from)) continue;
      this.#named(file, from);
      this.#named(file, to);
      file.path = Buffer.concat([to, file.path.subarray(from.length)]);
    }
    this.directories.moved(from, to);
  }

  /** The last name of the file is gone: nothing of it is worth a flush, and its inode will name another file. */
  unlinked(inode: bigint): void {
    this.#failed.delete(inode);
    for (const file of [...this.of(inode)]) {
      file.isGone = true;
      this.settle(file);
    }
  }

  /** The names in a folder whose fsync failed were made anew, in a new folder or by a flush of the whole file system. */
  namesRestored(directory: Buffer): void {
    this.directories.removed(directory);
  }

  /** What has to be on the disk for this record to be. To be asked in the turn in which the record was applied. */
  within({ files, paths }: FlushScope): Set<Flushable> {
    const found = new Set<Flushable>();
    const addAlong = (path: Buffer) => {
      for (const directory of this.directories.along(path)) found.add(directory);
    };
    for (const file of files) {
      for (const same of [file, ...this.of(file.inode)]) found.add(same);
      for (const directory of file.names) addAlong(directory.path);
      addAlong(file.path);
    }
    for (const path of paths) addAlong(path);
    for (const flushable of found)
      if (!flushable.isDirty && flushable.failure === null) found.delete(flushable);
    return found;
  }

  get dirty(): Flushable[] {
    return [...this.files, ...this.directories.all].filter(({ isDirty }) => isDirty);
  }

  /** A flush of it ended: it may be clean by now, and nobody may need it any more. */
  flushEnded(flushable: Flushable): void {
    if (flushable.failure === null && !flushable.isDirty) this.#isClean(flushable);
    this.settle(flushable);
  }

  #isClean(flushable: Flushable): void {
    if (!(flushable instanceof DirtyFile)) this.directories.drop(flushable);
    else for (const directory of flushable.names) if (!directory.isDirty) flushable.names.delete(directory);
  }

  /** Its fsync failed: every descriptor of that file is under the same suspicion. */
  failedNow(flushable: Flushable): void {
    if (!(flushable instanceof DirtyFile)) return;
    if (flushable.failure === null) return;
    if (!flushable.isGone) this.#failed.set(flushable.inode, flushable.failure);
    for (const same of this.of(flushable.inode)) {
      same.failure ??= flushable.failure;
      const waiting = same.unflushedBytes - same.flushingBytes;
      same.unflushedBytes -= waiting;
      this.#events.onReleased(waiting);
    }
  }

  /** Closes what nobody needs any more. */
  settle(flushable: Flushable): void {
    if (flushable.isClosed || flushable.pending > 0) return;
    if (flushable instanceof DirtyFile ? this.#isNeeded(flushable) : this.directories.has(flushable)) return;
    if (flushable instanceof DirtyFile) this.#forget(flushable);
    flushable.isClosed = true;
    this.#close(flushable.fd);
    this.#events.onReleased(flushable.unflushedBytes);
  }

  /** Closes everything, flushed or not; for the end, when no flush is under way. */
  closeAll(): void {
    for (const flushable of [...this.files, ...this.directories.all]) {
      if (flushable.isClosed) continue;
      flushable.isClosed = true;
      this.#close(flushable.fd);
    }
    this.#byInode.clear();
    this.#kept.clear();
    this.directories.clear();
  }

  #isNeeded(file: DirtyFile): boolean {
    return file.isOpen || (file.isDirty && file.failure === null);
  }

  #forget(file: DirtyFile): void {
    this.#kept.delete(file);
    const same = this.#byInode.get(file.inode);
    same?.delete(file);
    if (same?.size === 0) this.#byInode.delete(file.inode);
  }

  #named(file: DirtyFile, path: Buffer): void {
    for (const directory of this.directories.along(path)) file.names.add(directory);
  }
}
