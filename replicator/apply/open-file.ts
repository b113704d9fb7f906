import { type BigIntStats, closeSync, constants, fchmodSync, fstatSync, openSync } from 'node:fs';
import { type Directories, through } from './directories.ts';
import { ErrnoError } from './errno.ts';
import type { Unlocked } from './unlocked.ts';

/** A FIFO or device that somebody put there must not stop the process. */
const always = constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

export interface OpenedFile {
  readonly fd: number;
  readonly stats: BigIntStats;
  readonly created: boolean;
}

export interface Places {
  readonly directories: Directories;
  readonly unlocked: Unlocked;
}

export interface OpenWanted {
  /** It is new: nothing is there. */
  readonly created: boolean;
  readonly truncate: boolean;
  /** Of a file that is made, exactly. */
  readonly mode: number;
  /** Called before a file is made. */
  readonly beforeCreate: () => void;
}

/**
 * Opens a regular file for writing, whatever its mode and those of the folders above say (J3). The caller closes.
 * @throws EEXIST for one that is to be new; else ENOENT, EISDIR, ELOOP for a symbolic link, EINVAL for what is no
 * regular file
 */
export function openForWriting(
  { directories, unlocked }: Places,
  path: Buffer,
  wanted: OpenWanted,
): OpenedFile {
  const flags = constants.O_WRONLY | always | (wanted.truncate ? constants.O_TRUNC : 0);
  return unlocked.allow([{ path, itself: 'always' }], () =>
    directories.withEntry(path, (entry) => {
      if (wanted.created) {
        wanted.beforeCreate();
        return create(entry, flags, wanted.mode & 0o7777);
      }
      const fd = openSync(entry, flags);
      return { fd, stats: orClose(fd, () => regular(fd)), created: false };
    }),
  );
}

/** Opens a regular file to read or to flush it, whatever the modes say. The caller closes. */
export function openForReading({ directories, unlocked }: Places, path: Buffer): OpenedFile {
  return unlocked.allow([{ path, itself: 'always' }], () =>
    directories.withEntry(path, (entry) => {
      const fd = openSync(entry, constants.O_RDONLY | always);
      return { fd, stats: orClose(fd, () => regular(fd)), created: false };
    }),
  );
}

/** A handle of a directory that can be fsynced and listed, whatever the modes say. The caller closes. */
export function openDirectory({ directories, unlocked }: Places, path: Buffer): number {
  return unlocked.allow([{ path, itself: 'always' }], () =>
    directories.with(path, (directory) =>
      openSync(through(directory), constants.O_RDONLY | constants.O_DIRECTORY),
    ),
  );
}

/** Runs `work`; when it fails, the descriptor is closed. */
export function orClose<Result>(fd: number, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** The process' umask, a default ACL or a setgid folder may give another mode than was asked for. */
function create(entry: Buffer, flags: number, mode: number): OpenedFile {
  const fd = openSync(entry, flags | constants.O_CREAT | constants.O_EXCL, mode);
  return orClose(fd, () => {
    const stats = fstatSync(fd, { bigint: true });
    if ((Number(stats.mode) & 0o7777) !== mode) fchmodSync(fd, mode);
    return { fd, stats, created: true };
  });
}

function regular(fd: number): BigIntStats {
  const stats = fstatSync(fd, { bigint: true });
  if (!stats.isFile()) throw new ErrnoError('EINVAL', 'it is not a regular file');
  return stats;
}
