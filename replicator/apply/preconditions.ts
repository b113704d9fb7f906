import { type BigIntStats, fstatSync, lstatSync, opendirSync } from 'node:fs';
import { FormatError } from '#contracts/bytes.ts';
import type { LoggedAttributes, LogRecord } from '../core/record.ts';
import { isWithin, parentOf, splitPath } from '../tree/path.ts';
import { type Identity, identityOf } from './applied.ts';
import { entryIn, nameOf, through } from './directories.ts';
import type { DirtyFile, DirtyFiles } from './dirty-files.ts';
import { type Errno, errnoOf } from './errno.ts';
import { maxFileBytes, maxLinks, maxNameBytes, maxPathBytes, maxTargetBytes } from './limits.ts';
import type { Places } from './open-file.ts';
import { type Credentials, owns, permission, permits } from './permissions.ts';
import type { Space } from './space.ts';

type RecordOf<Kind extends LogRecord['kind']> = Extract<LogRecord, { kind: Kind }>;

export interface PreconditionParts {
  readonly places: Places;
  readonly dirty: DirtyFiles;
  readonly space: Space;
  readonly credentials: Credentials;
  /** As Applier.fileOf. */
  readonly fileOf: (handle: number) => DirtyFile | null | undefined;
}

/** A name that is looked at, and the directory it is or would be in. */
interface Looked {
  readonly directory: BigIntStats;
  readonly entry: BigIntStats | undefined;
}

/** A longer path is no argument of a system call. Of its folders no handle is kept, so the walk is judged by the kernel. */
const maxPathBytesAtOnce = 4000;
const changeNames = permission.write | permission.search;

/**
 * What would refuse a record, looked at before it is logged and in the same turn: what is logged then almost never
 * fails. The codes and their order are the kernel's. Modes count as for their owner, which the engine is: a client may
 * do what the modes that clients gave allow, although the engine could do more (J3).
 */
export class Preconditions {
  readonly #parts: PreconditionParts;

  constructor(parts: PreconditionParts) {
    this.#parts = parts;
  }

  /**
   * @param mustBeNew the name that is renamed to must not exist yet (EEXIST)
   * @returns null when nothing stands against it
   */
  refusal(record: LogRecord, { mustBeNew = false } = {}): Errno | null {
    try {
      return this.#refusal(record, mustBeNew);
    } catch (error) {
      if (error instanceof FormatError) return 'EINVAL';
      const code = errnoOf(error);
      if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES' || code === 'ELOOP') return code;
      throw error;
    }
  }

  /**
   * What lies at a path: a record says whether it makes a file. null when nothing does.
   * @throws the kernel's ENOENT, ENOTDIR, EACCES of the way to it; FormatError for what is no path
   */
  find(path: Buffer): Identity | null {
    splitPath(path);
    const { entry } = this.#look(path);
    return entry === undefined ? null : identityOf(entry);
  }

  #refusal(record: LogRecord, mustBeNew: boolean): Errno | null {
    switch (record.kind) {
      case 'open':
        return this.#open(record);
      case 'write':
        return this.#write(record);
      case 'set-handle-attributes':
        return this.#setHandleAttributes(record);
      case 'close':
      case 'sync':
        return this.#parts.fileOf(record.handle) === undefined ? 'EBADF' : null;
      case 'set-attributes':
        return this.#setAttributes(record);
      case 'rename':
        return this.#rename(record, mustBeNew);
      case 'remove':
        return this.#remove(record);
      case 'mkdir':
        return this.#newName(record.path);
      case 'rmdir':
        return this.#rmdir(record);
      case 'symlink':
        return targetRefusal(record.target) ?? this.#newName(record.path);
      case 'link':
        return this.#link(record);
      case 'leadership':
      case 'suspect':
      case 'state':
        return null;
    }
  }

  #open({ handle, path, created }: RecordOf<'open'>): Errno | null {
    if (this.#parts.fileOf(handle) !== undefined) return 'EINVAL';
    if (path.length === 0) return 'EISDIR';
    const refused = this.#pathRefusal(path);
    if (refused !== null) return refused;
    const { directory, entry } = this.#look(path);
    if (entry === undefined) return created ? this.#mayMakeIn(directory) : 'ENOENT';
    if (created) return 'EEXIST';
    if (entry.isSymbolicLink()) return 'ELOOP';
    if (entry.isDirectory()) return 'EISDIR';
    if (!entry.isFile()) return 'EINVAL';
    if (this.#parts.space.isReadOnly) return 'EROFS';
    if (!permits(this.#parts.credentials, entry, permission.write)) return 'EACCES';
    return this.#failed(entry.ino);
  }

  #write({ handle, offset, length }: RecordOf<'write'>): Errno | null {
    const file = this.#parts.fileOf(handle);
    if (file === undefined) return 'EBADF';
    if (file?.failure != null) return 'EIO';
    if (offset + length > maxFileBytes) return 'EFBIG';
    return this.#parts.space.refuses({ bytes: length });
  }

  #setHandleAttributes({ handle, attributes }: RecordOf<'set-handle-attributes'>): Errno | null {
    const file = this.#parts.fileOf(handle);
    if (file === undefined) return 'EBADF';
    if (file === null) return sizeRefusal(attributes);
    if (file.failure !== null) return 'EIO';
    if (this.#parts.space.isReadOnly) return 'EROFS';
    const stats = fstatSync(file.fd, { bigint: true });
    return this.#maySet(stats, attributes) ?? sizeRefusal(attributes);
  }

  #setAttributes({ path, attributes }: RecordOf<'set-attributes'>): Errno | null {
    const refused = this.#pathRefusal(path);
    if (refused !== null) return refused;
    const { entry } = this.#look(path);
    if (entry === undefined) return 'ENOENT';
    const { size, mode } = attributes;
    if (entry.isSymbolicLink() && (size !== undefined || mode !== undefined)) return 'ELOOP';
    if (size !== undefined && entry.isDirectory()) return 'EISDIR';
    if (!entry.isFile() && !entry.isDirectory() && !entry.isSymbolicLink()) return 'EINVAL';
    if (this.#parts.space.isReadOnly) return 'EROFS';
    if (size !== undefined && !permits(this.#parts.credentials, entry, permission.write)) return 'EACCES';
    return this.#failed(entry.ino) ?? sizeRefusal(attributes) ?? this.#maySet(entry, attributes);
  }

  #rename({ from, to }: RecordOf<'rename'>, mustBeNew: boolean): Errno | null {
    if (from.length === 0 || to.length === 0) return 'EBUSY';
    const refused = this.#pathRefusal(from) ?? this.#pathRefusal(to);
    if (refused !== null) return refused;
    const source = this.#look(from);
    const target = this.#look(to);
    if (source.directory.dev !== target.directory.dev) return 'EXDEV';
    if (source.entry === undefined) return 'ENOENT';
    if (isBelow(to, from)) return 'EINVAL';
    if (mustBeNew && target.entry !== undefined) return 'EEXIST';
    if (isBelow(from, to)) return 'ENOTEMPTY';
    if (this.#parts.space.isReadOnly) return 'EROFS';
    if (isSame(source.entry, target.entry)) return null;
    return this.#mayMove(source.entry, source.directory, target, to);
  }

  #mayMove(moved: BigIntStats, from: BigIntStats, target: Looked, to: Buffer): Errno | null {
    if (!this.#may(from, changeNames) || !this.#may(target.directory, changeNames)) return 'EACCES';
    if (target.entry !== undefined) {
      if (moved.isDirectory() && !target.entry.isDirectory()) return 'ENOTDIR';
      if (!moved.isDirectory() && target.entry.isDirectory()) return 'EISDIR';
    }
    const isElsewhere = !isSame(from, target.directory);
    if (moved.isDirectory() && isElsewhere && !this.#may(moved, permission.write)) return 'EACCES';
    return target.entry?.isDirectory() === true && !this.#isEmpty(to) ? 'ENOTEMPTY' : null;
  }

  #remove({ path }: RecordOf<'remove'>): Errno | null {
    return this.#takesAway(path, (entry) => (entry.isDirectory() ? 'EISDIR' : null));
  }

  #rmdir({ path }: RecordOf<'rmdir'>): Errno | null {
    return this.#takesAway(path, (entry) => {
      if (!entry.isDirectory()) return 'ENOTDIR';
      return this.#isEmpty(path) ? null : 'ENOTEMPTY';
    });
  }

  #takesAway(path: Buffer, judge: (entry: BigIntStats) => Errno | null): Errno | null {
    if (path.length === 0) return 'EBUSY';
    const refused = this.#pathRefusal(path);
    if (refused !== null) return refused;
    const { directory, entry } = this.#look(path);
    if (entry === undefined) return 'ENOENT';
    if (this.#parts.space.isReadOnly) return 'EROFS';
    return this.#may(directory, changeNames) ? judge(entry) : 'EACCES';
  }

  #link({ existing, path }: RecordOf<'link'>): Errno | null {
    const refused = this.#pathRefusal(existing);
    if (refused !== null) return refused;
    const source = this.#look(existing);
    if (source.entry === undefined) return 'ENOENT';
    const unmade = this.#newName(path);
    if (unmade !== null) return unmade;
    if (source.entry.dev !== this.#look(path).directory.dev) return 'EXDEV';
    if (source.entry.isDirectory()) return 'EPERM';
    if (Number(source.entry.nlink) >= maxLinks) return 'EMLINK';
    return this.#failed(source.entry.ino);
  }

  #newName(path: Buffer): Errno | null {
    if (path.length === 0) return 'EBUSY';
    const refused = this.#pathRefusal(path);
    if (refused !== null) return refused;
    const { directory, entry } = this.#look(path);
    return entry === undefined ? this.#mayMakeIn(directory) : 'EEXIST';
  }

  #mayMakeIn(directory: BigIntStats): Errno | null {
    return this.#may(directory, changeNames) ? this.#parts.space.refuses({ names: 1 }) : 'EACCES';
  }

  #maySet(stats: BigIntStats, { mode, accessedAtUs, modifiedAtUs }: LoggedAttributes): Errno | null {
    const isNeeded = mode !== undefined || accessedAtUs !== undefined || modifiedAtUs !== undefined;
    return isNeeded && !owns(this.#parts.credentials, stats) ? 'EPERM' : null;
  }

  #may(stats: BigIntStats, bits: number): boolean {
    return permits(this.#parts.credentials, stats, bits);
  }

  /** P6: what was not brought to the disk is replaced by a new file first. */
  #failed(inode: bigint): Errno | null {
    return this.#parts.dirty.failureOf(inode) === null ? null : 'EIO';
  }

  /** @throws FormatError for what is no path from the root */
  #pathRefusal(path: Buffer): Errno | null {
    if (path.length > maxPathBytes || hasLongName(path)) return 'ENAMETOOLONG';
    splitPath(path);
    const along = this.#parts.dirty.directories.along(path);
    return along.some(({ failure }) => failure !== null) ? 'EIO' : null;
  }

  /**
   * The entry is looked at by its whole path, so that the kernel judges each folder on the way: a handle that is kept of
   * one below would get by. That no link is on the way is seen by the handles.
   * @throws ENOENT, ENOTDIR, EACCES of the way to it
   */
  #look(path: Buffer): Looked {
    const { directories } = this.#parts.places;
    if (path.length === 0) {
      const root = fstatSync(directories.root, { bigint: true });
      return { directory: root, entry: root };
    }
    const byPath = path.length > maxPathBytesAtOnce ? null : stats(entryIn(directories.root, path));
    const name = nameOf(path);
    return directories.with(parentOf(path), (directory) => ({
      directory: fstatSync(directory, { bigint: true }),
      entry: byPath === null ? stats(entryIn(directory, name)) : byPath,
    }));
  }

  #isEmpty(path: Buffer): boolean {
    const { directories, unlocked } = this.#parts.places;
    const entries = unlocked.allow([{ path, itself: 'always' }], () =>
      directories.with(path, (directory) => opendirSync(through(directory), { bufferSize: 1 })),
    );
    try {
      return entries.readSync() === null;
    } finally {
      entries.closeSync();
    }
  }
}

/** @throws EACCES */
function stats(entry: Buffer): BigIntStats | undefined {
  return lstatSync(entry, { bigint: true, throwIfNoEntry: false });
}

function isBelow(path: Buffer, ancestor: Buffer): boolean {
  return path.length > ancestor.length && isWithin(path, ancestor);
}

function isSame(one: BigIntStats, other: BigIntStats | undefined): boolean {
  return one.ino === other?.ino && one.dev === other.dev;
}

function hasLongName(path: Buffer): boolean {
  for (let start = 0; path.length - start > maxNameBytes; ) {
    const end = path.indexOf(0x2f, start);
    if (end === -1 || end - start > maxNameBytes) return true;
    start = end + 1;
  }
  return false;
}

function targetRefusal(target: Buffer): Errno | null {
  if (target.length === 0) return 'ENOENT';
  if (target.length > maxTargetBytes) return 'ENAMETOOLONG';
  return target.includes(0) ? 'EINVAL' : null;
}

function sizeRefusal({ size }: LoggedAttributes): Errno | null {
  return size !== undefined && size > maxFileBytes ? 'EFBIG' : null;
}
