import {
  type BigIntStats,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import type { LoggedAttributes, LogRecord } from '../core/record.ts';
import { parentOf } from '../tree/path.ts';
import { type Applied, emptyScope, identityOf, nothingDone } from './applied.ts';
import { nameOf } from './directories.ts';
import type { DirtyFile, DirtyFiles } from './dirty-files.ts';
import { ErrnoError } from './errno.ts';
import { openDirectory, openForReading, openForWriting, type Places } from './open-file.ts';
import { setTimes, setTimesAt, type Times, timesOf } from './times.ts';

type RecordOf<Kind extends LogRecord['kind']> = Extract<LogRecord, { kind: Kind }>;

/**
 * Makes in the tree what a record of the log says, on leader and followers alike, with synchronous calls on the page
 * cache. Paths are walked without following links. Modes that forbid the engine itself do not stop a record (J3); that
 * a client may not do something is looked at before it is logged (preconditions.ts).
 *
 * A record that fails has an error with the kernel's code; whether something of it was made is not known then. What was
 * changed is told to `DirtyFiles` before, so that a barrier covers it also then.
 *
 * The process' umask should be 0: otherwise a second call gives what is new the mode that was asked for.
 */
export class Applier {
  readonly #places: Places;
  readonly #dirty: DirtyFiles;
  /** null: the file had no name any more when its handle was bound; writes to it go nowhere. */
  readonly #handles = new Map<number, DirtyFile | null>();

  constructor(places: Places, dirty: DirtyFiles) {
    this.#places = places;
    this.#dirty = dirty;
  }

  /** @param data the bytes of a `write`, as many as its length */
  apply(record: LogRecord, data?: Buffer): Applied {
    switch (record.kind) {
      case 'open':
        return this.#open(record);
      case 'write':
        return this.#write(record, data);
      case 'set-handle-attributes':
        return this.#setHandleAttributes(record);
      case 'close':
        return this.#close(record);
      case 'sync':
        return { ...nothingDone, scope: scopeOf(this.#file(record.handle)) };
      case 'set-attributes':
        return this.#setAttributes(record);
      case 'rename':
        return this.#rename(record);
      case 'remove':
        return this.#remove(record);
      case 'mkdir':
        return this.#mkdir(record);
      case 'rmdir':
        return this.#rmdir(record);
      case 'symlink':
        return this.#symlink(record);
      case 'link':
        return this.#link(record);
      case 'leadership':
        this.closeHandles();
        return nothingDone;
      case 'suspect':
      case 'state':
        return nothingDone;
    }
  }

  /** Opens a file that is there under a handle, whatever its mode. @throws as an open that creates nothing */
  bind(handle: number, path: Buffer): Applied {
    return this.#open({ handle, path, created: false, truncate: false, mode: 0 });
  }

  /** A handle of a file without a name: what is written to it is of no use to anybody. */
  bindNameless(handle: number): void {
    this.#assertFree(handle);
    this.#handles.set(handle, null);
  }

  /** The file of a handle; null when it has no name, undefined when the handle is not open. */
  fileOf(handle: number): DirtyFile | null | undefined {
    return this.#handles.get(handle);
  }

  /** The times that the kernel gave an open file, to be logged before its close. null for a nameless one. */
  timesOf(handle: number): Required<Times> | null {
    const file = this.#file(handle);
    return file === null ? null : timesOf(fstatSync(file.fd, { bigint: true }));
  }

  closeHandles(): void {
    const files = [...this.#handles.values()];
    this.#handles.clear();
    for (const file of files) if (file !== null) this.#dirty.closed(file);
  }

  #open({ handle, path, created, truncate, mode }: Omit<RecordOf<'open'>, 'kind' | 'otherNames'>): Applied {
    this.#assertFree(handle);
    const beforeCreate = () => this.#nameChanges(path);
    const opened = openForWriting(this.#places, path, { created, truncate, mode, beforeCreate });
    const file = this.#dirty.opened(opened.fd, opened.stats.ino, path);
    this.#handles.set(handle, file);
    if (opened.created || truncate) this.#dirty.changed(file);
    const scope = { files: [file], paths: [path] };
    return { ...nothingDone, subject: identityOf(opened.stats), created: opened.created, scope };
  }

  #write({ handle, offset, length }: RecordOf<'write'>, data: Buffer | undefined): Applied {
    if (data?.length !== length)
      throw new ErrnoError('EINVAL', `a write of ${length} bytes without its data`);
    const file = this.#file(handle);
    if (file === null) return nothingDone;
    this.#dirty.changed(file, length);
    for (let at = 0; at < length; ) at += writeSync(file.fd, data, at, length - at, offset + at);
    return { ...nothingDone, scope: scopeOf(file) };
  }

  #setHandleAttributes({ handle, attributes }: RecordOf<'set-handle-attributes'>): Applied {
    const file = this.#file(handle);
    if (file === null) return nothingDone;
    this.#dirty.changed(file);
    setAttributes(file.fd, attributes);
    const subject = identityOf(fstatSync(file.fd, { bigint: true }));
    return { ...nothingDone, subject, scope: scopeOf(file) };
  }

  #close({ handle }: RecordOf<'close'>): Applied {
    const file = this.#file(handle);
    this.#handles.delete(handle);
    if (file === null) return nothingDone;
    this.#dirty.closed(file);
    return { ...nothingDone, scope: scopeOf(file) };
  }

  #setAttributes({ path, attributes }: RecordOf<'set-attributes'>): Applied {
    const stats = this.#stats(path);
    if (stats === undefined) throw new ErrnoError('ENOENT', 'nothing is there');
    const subject = identityOf(stats);
    if (subject.type === 'symlink') this.#setLinkTimes(path, attributes);
    else if (subject.type === 'directory') this.#setDirectoryAttributes(path, attributes);
    else this.#setFileAttributes(path, stats, attributes);
    const files = [...this.#dirty.of(subject.inode)];
    return { ...nothingDone, subject, scope: { files, paths: [path] } };
  }

  /** Its inode cannot be flushed by itself; it comes to the disk with the next thing that is. */
  #setLinkTimes(path: Buffer, attributes: LoggedAttributes): void {
    if (attributes.mode !== undefined || attributes.size !== undefined)
      throw new ErrnoError('ELOOP', 'a symbolic link has times alone');
    this.#at([{ path, itself: 'never' }], path, (entry) => setTimesAt(entry, attributes));
  }

  #setDirectoryAttributes(path: Buffer, attributes: LoggedAttributes): void {
    if (attributes.size !== undefined) throw new ErrnoError('EISDIR', 'a directory has no size to set');
    const fd = this.#dirty.nameChanged(path, () => openDirectory(this.#places, path));
    setAttributes(fd, attributes);
  }

  #setFileAttributes(path: Buffer, { ino }: BigIntStats, attributes: LoggedAttributes): void {
    const open = this.#dirty.openOf(ino);
    const file = open ?? this.#openForAttributes(path, attributes);
    try {
      this.#dirty.changed(file);
      setAttributes(file.fd, attributes);
    } finally {
      if (open === null) this.#dirty.closed(file);
    }
  }

  #openForAttributes(path: Buffer, { size }: LoggedAttributes): DirtyFile {
    const opened =
      size === undefined
        ? openForReading(this.#places, path)
        : openForWriting(this.#places, path, {
            created: false,
            truncate: false,
            mode: 0,
            beforeCreate: () => {},
          });
    return this.#dirty.opened(opened.fd, opened.stats.ino, path);
  }

  /** Two names of one file: nothing happens, and both stay (POSIX). */
  #rename({ from, to }: RecordOf<'rename'>): Applied {
    assertNamed(from);
    assertNamed(to);
    const moved = this.#stats(from);
    if (moved === undefined) throw new ErrnoError('ENOENT', 'nothing is there to be renamed');
    const target = this.#stats(to);
    if (target?.ino === moved.ino && target.dev === moved.dev)
      return { ...nothingDone, subject: identityOf(moved), changed: false };
    this.#nameChanges(from);
    this.#nameChanges(to);
    const needed = [
      { path: from, itself: 'if-directory', orAt: to },
      { path: to, itself: 'never' },
    ] as const;
    this.#at(needed, from, (source) =>
      this.#places.directories.withEntry(to, (entry) => renameSync(source, entry)),
    );
    const replaced = target === undefined ? null : this.#lostName(target, to);
    if (moved.isDirectory()) this.#dirty.movedDirectory(from, to);
    else this.#dirty.movedFile(moved.ino, from, to);
    const scope = { files: [...this.#dirty.of(moved.ino)], paths: [from, to] };
    return { ...nothingDone, subject: identityOf(moved), replaced, scope };
  }

  #remove({ path }: RecordOf<'remove'>): Applied {
    const stats = this.#stats(path);
    this.#nameChanges(path);
    this.#at([{ path, itself: 'never' }], path, (entry) => unlinkSync(entry));
    if (stats === undefined) throw new ErrnoError('ENOENT', 'nothing was there to be removed');
    return { ...nothingDone, subject: this.#lostName(stats, path), scope: { files: [], paths: [path] } };
  }

  #rmdir({ path }: RecordOf<'rmdir'>): Applied {
    const stats = this.#stats(path);
    this.#nameChanges(path);
    this.#at([{ path, itself: 'never' }], path, (entry) => rmdirSync(entry));
    if (stats === undefined) throw new ErrnoError('ENOENT', 'nothing was there to be removed');
    return { ...nothingDone, subject: this.#lostName(stats, path), scope: { files: [], paths: [path] } };
  }

  #mkdir({ path, mode }: RecordOf<'mkdir'>): Applied {
    this.#nameChanges(path);
    const wanted = mode & 0o7777;
    this.#at([{ path, itself: 'never' }], path, (entry) => mkdirSync(entry, wanted));
    const fd = this.#dirty.nameChanged(path, () => openDirectory(this.#places, path));
    const stats = fstatSync(fd, { bigint: true });
    if ((Number(stats.mode) & 0o7777) !== wanted) fchmodSync(fd, wanted);
    return { ...nothingDone, subject: identityOf(stats), created: true, scope: { files: [], paths: [path] } };
  }

  #symlink({ path, target }: RecordOf<'symlink'>): Applied {
    this.#nameChanges(path);
    const stats = this.#at([{ path, itself: 'never' }], path, (entry) => {
      symlinkSync(target, entry);
      return lstatSync(entry, { bigint: true });
    });
    return { ...nothingDone, subject: identityOf(stats), created: true, scope: { files: [], paths: [path] } };
  }

  #link({ existing, path }: RecordOf<'link'>): Applied {
    this.#nameChanges(path);
    const needed = [
      { path: existing, itself: 'never' },
      { path, itself: 'never' },
    ] as const;
    const stats = this.#at(needed, existing, (source) =>
      this.#places.directories.withEntry(path, (entry) => {
        linkSync(source, entry);
        return lstatSync(entry, { bigint: true });
      }),
    );
    this.#dirty.linked(stats.ino, path);
    const scope = { files: [...this.#dirty.of(stats.ino)], paths: [path] };
    return { ...nothingDone, subject: identityOf(stats), created: true, scope };
  }

  /** What a name stood for that stands for it no longer. */
  #lostName(stats: BigIntStats, path: Buffer): ReturnType<typeof identityOf> {
    if (stats.isDirectory()) {
      this.#dirty.directories.removed(path);
      return identityOf(stats, 0);
    }
    const left = Number(stats.nlink) - 1;
    if (left === 0) this.#dirty.unlinked(stats.ino);
    return identityOf(stats, left);
  }

  #stats(path: Buffer): BigIntStats | undefined {
    return this.#at([{ path, itself: 'never' }], path, (entry) =>
      lstatSync(entry, { bigint: true, throwIfNoEntry: false }),
    );
  }

  #at<Result>(
    needed: Parameters<Places['unlocked']['allow']>[0],
    path: Buffer,
    use: (entry: Buffer) => Result,
  ): Result {
    return this.#places.unlocked.allow(needed, () => this.#places.directories.withEntry(path, use));
  }

  /** Told before the change: what was made must not fail afterwards for want of a descriptor. */
  #nameChanges(path: Buffer): void {
    assertNamed(path);
    const directory = parentOf(path);
    this.#dirty.nameChanged(directory, () => openDirectory(this.#places, directory));
  }

  #assertFree(handle: number): void {
    if (this.#handles.has(handle)) throw new ErrnoError('EINVAL', `handle ${handle} is open already`);
  }

  #file(handle: number): DirtyFile | null {
    const file = this.#handles.get(handle);
    if (file === undefined) throw new ErrnoError('EBADF', `handle ${handle} is not open`);
    return file;
  }
}

function assertNamed(path: Buffer): void {
  if (path.length === 0) throw new ErrnoError('EBUSY', 'the root itself is not made, moved or removed');
  nameOf(path);
}

/** In this order: cutting a file changes its time. */
function setAttributes(fd: number, attributes: LoggedAttributes): void {
  if (attributes.size !== undefined) ftruncateSync(fd, attributes.size);
  if (attributes.mode !== undefined) fchmodSync(fd, attributes.mode & 0o7777);
  setTimes(fd, attributes);
}

function scopeOf(file: DirtyFile | null): Applied['scope'] {
  return file === null ? emptyScope : { files: [file], paths: [] };
}
