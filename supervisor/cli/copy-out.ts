import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { codeOf, HoldfastError, messageOf } from '#contracts/errors.ts';
import { safeText } from '#contracts/safe-text.ts';

const folderFlags = constants.O_RDONLY | constants.O_DIRECTORY;
/** Each folder takes two descriptors while what is in it is copied. */
const maxDepth = 200;
const chunkBytes = 1024 * 1024;
const zeros = Buffer.alloc(chunkBytes);
const maxToldPath = 1024;

export interface CopyOut {
  readonly quarantineRoot: string;
  /** Below it. */
  readonly place: Buffer;
  /** Below `into`. */
  readonly path: Buffer;
  readonly into: string;
  /** The folders of the service, into which nothing is copied. */
  readonly ownFolders: readonly string[];
}

/**
 * Copies what lies in quarantine to a folder outside of the service: content, mode (without set-id bits), time, links as
 * they are. On disk when it returns. Nothing is overwritten, and no link is followed on either side: it runs as root, and
 * clients chose the names and links.
 *
 * @returns where it is, safe to print, and how many were passed over that are no files, folders or links
 * @throws HoldfastError RESTORE_REFUSED: something is there, or the folder is one of the service's; RESTORE_FAILED: of
 *   what was begun nothing is left
 */
export function copyOut({ quarantineRoot, place, path, into, ownFolders }: CopyOut): {
  to: string;
  passedOver: number;
} {
  const names = namesOf(path);
  const to = `${into}/${safeText(path, maxToldPath)}`;
  const opened: number[] = [];
  const open = (at: string | Buffer, flags: number) => {
    const folder = openSync(at, flags);
    opened.push(folder);
    return folder;
  };
  try {
    const top = makeOutside(into, ownFolders);
    open(dirname(top), folderFlags);
    let target = open(top, folderFlags);
    for (const name of names.slice(0, -1))
      target = open(stepInto(target, name), folderFlags | constants.O_NOFOLLOW);
    const made = [...opened];
    let source = open(quarantineRoot, folderFlags);
    const places = namesOf(place);
    for (const name of places.slice(0, -1)) {
      source = open(entryIn(source, name), folderFlags | constants.O_NOFOLLOW);
    }
    const last = entryIn(target, names.at(-1) ?? Buffer.from('root'));
    if (lstatSync(last, { throwIfNoEntry: false }) !== undefined) {
      throw new HoldfastError('RESTORE_REFUSED', `${to} exists, and nothing is overwritten`);
    }
    const passedOver = copyNew(entryIn(source, places.at(-1) ?? Buffer.from('.')), last);
    // The names of those that were made on the way as well.
    for (const folder of made.reverse()) fsyncSync(folder);
    return { to, passedOver };
  } catch (error) {
    throw asRestoreError(error, to);
  } finally {
    for (const folder of opened) closeSync(folder);
  }
}

/** What was begun is removed when the rest fails. */
function copyNew(from: Buffer, to: Buffer): number {
  try {
    return copy(from, to, 0);
  } catch (error) {
    // Not ours when it was there before.
    if (codeOf(error) !== 'EEXIST') rmSync(to, { recursive: true, force: true });
    throw error;
  }
}

/** @returns how many were passed over */
function copy(from: Buffer, to: Buffer, depth: number): number {
  const stats = lstatSync(from);
  if (stats.isSymbolicLink()) {
    symlinkSync(readlinkSync(from, { encoding: 'buffer' }), to);
    return 0;
  }
  if (stats.isDirectory()) return copyFolder(from, to, depth);
  if (!stats.isFile()) return 1;
  copyFile(from, to);
  return 0;
}

function copyFile(from: Buffer, to: Buffer): void {
  const source = openSync(from, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const target = openSync(to, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      const chunk = Buffer.allocUnsafe(chunkBytes);
      let length = 0;
      for (let read = readSync(source, chunk); read > 0; read = readSync(source, chunk)) {
        // Holes stay holes: a client's file may be longer than any disk.
        const isHole = chunk.subarray(0, read).equals(zeros.subarray(0, read));
        for (let at = isHole ? read : 0; at < read; )
          at += writeSync(target, chunk, at, read - at, length + at);
        length += read;
      }
      ftruncateSync(target, length);
      finish(source, target);
    } finally {
      closeSync(target);
    }
  } finally {
    closeSync(source);
  }
}

function copyFolder(from: Buffer, to: Buffer, depth: number): number {
  if (depth >= maxDepth) {
    throw new HoldfastError('RESTORE_FAILED', `it has more than ${maxDepth} folders in one another`);
  }
  const source = openSync(from, folderFlags | constants.O_NOFOLLOW);
  try {
    mkdirSync(to, 0o700);
    const target = openSync(to, folderFlags | constants.O_NOFOLLOW);
    try {
      let passedOver = 0;
      for (const name of readdirSync(`/proc/self/fd/${source}/.`, { encoding: 'buffer' })) {
        passedOver += copy(entryIn(source, name), entryIn(target, name), depth + 1);
      }
      finish(source, target);
      return passedOver;
    } finally {
      closeSync(target);
    }
  } finally {
    closeSync(source);
  }
}

/** Mode and times as the source's, and on disk. */
function finish(source: number, target: number): void {
  const { mode, atimeMs, mtimeMs } = fstatSync(source);
  fchmodSync(target, mode & 0o777);
  futimesSync(target, atimeMs / 1000, mtimeMs / 1000);
  fsyncSync(target);
}

/** The folder of a name, made when it is missing. */
function stepInto(folder: number, name: Buffer): Buffer {
  const path = entryIn(folder, name);
  try {
    mkdirSync(path, 0o700);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  return path;
}

function entryIn(folder: number, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${folder}/`), name]);
}

/** Each a plain name: the path leads to nowhere else. */
function namesOf(path: Buffer): Buffer[] {
  const names = path
    .toString('latin1')
    .split('/')
    .map((name) => Buffer.from(name, 'latin1'));
  for (const name of names) {
    if (['', '.', '..'].includes(name.toString('latin1')) || name.includes(0)) {
      throw new HoldfastError('RESTORE_REFUSED', 'its path has a part that is not a plain name');
    }
  }
  return names;
}

/** The folder itself is made when it is missing. @returns it, without links */
function makeOutside(into: string, ownFolders: readonly string[]): string {
  const folder = join(realpathSync(dirname(resolve(into))), basename(resolve(into)));
  checkOutside(folder, ownFolders);
  if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) mkdirSync(folder, 0o700);
  const real = realpathSync(folder);
  checkOutside(real, ownFolders);
  return real;
}

function checkOutside(folder: string, ownFolders: readonly string[]): void {
  for (const own of ownFolders) {
    if (`${folder}${sep}`.startsWith(`${realIfThere(own)}${sep}`)) {
      const what = `${folder} is in ${own}, which is the service's own: name a folder outside`;
      throw new HoldfastError('RESTORE_REFUSED', what);
    }
  }
}

function realIfThere(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

function asRestoreError(error: unknown, to: string): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const code = codeOf(error);
  if (code === 'EEXIST' || code === 'ELOOP' || code === 'ENOTDIR') {
    return new HoldfastError('RESTORE_REFUSED', `${to}: something else is in the way`, { cause: error });
  }
  const what =
    code === 'EACCES' ? `${to}: not allowed to read or write; run it as root` : `${to}: ${messageOf(error)}`;
  return new HoldfastError('RESTORE_FAILED', what, { cause: error });
}
