import { closeSync, constants, openSync, readlinkSync } from 'node:fs';
import { FormatError } from '#contracts/bytes.ts';
import { parentOf, splitPath, toKey } from '../tree/path.ts';
import { maxPathBytes } from './limits.ts';

/** Not in Node's constants; the same on every Linux architecture that Node runs on. */
export const O_PATH = 0o10000000;
export const directoryFlags = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** The kernel names a handle's place only up to PATH_MAX. */
const maxLocationBytes = 4000;
const defaultMaxCached = 64;
const slash = 0x2f;

interface CachedDirectory {
  readonly fd: number;
  readonly key: string;
  /** Where it must be, as the kernel names it. */
  readonly location: Buffer;
  users: number;
}

/**
 * Directories of the tree by handle. A path is walked with one handle after the other and O_NOFOLLOW, so that no
 * link is ever followed, whoever swaps it in meanwhile; and it may be longer than PATH_MAX.
 *
 * Handles of the directories used last are kept. Before one is used again the kernel is asked where it is now: only a
 * directory that is at that very place, without a link on the way, is taken without a walk. So nobody needs to say when
 * directories are moved or removed. The answer says "NAME (deleted)" of a removed one, so names that end like that are
 * always walked.
 */
export class Directories {
  readonly #root: number;
  readonly #rootLocation: Buffer;
  readonly #maxCached: number;
  /** The one used last is the last. */
  readonly #cached = new Map<string, CachedDirectory>();

  /** @throws ENOENT, ENOTDIR */
  constructor(root: string, maxCached = defaultMaxCached) {
    this.#root = openSync(root, O_PATH | constants.O_DIRECTORY);
    this.#rootLocation = locationOf(this.#root) ?? Buffer.alloc(0);
    this.#maxCached = maxCached;
  }

  /** Of the root itself; open for as long as this object is. */
  get root(): number {
    return this.#root;
  }

  /**
   * Calls `use` with an O_PATH handle of the directory, good until it returns.
   * @throws ENOENT, ENOTDIR (also for a symbolic link), EACCES; FormatError for what is no path
   */
  with<Result>(path: Buffer, use: (directory: number) => Result): Result {
    if (path.length === 0) return use(this.#root);
    const key = toKey(path);
    const cached = this.#find(key);
    if (cached !== null) return this.#using(cached, use);
    const fd = this.#walkTo(path, key);
    const kept = this.#keep(path, key, fd);
    if (kept !== null) return this.#using(kept, use);
    try {
      return use(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** Calls `use` with a path of the entry that is safe for one system call not following links at the last name. */
  withEntry<Result>(path: Buffer, use: (entry: Buffer, directory: number) => Result): Result {
    if (path.length === 0) return use(Buffer.from(`${through(this.#root)}/.`), this.#root);
    const name = nameOf(path);
    return this.with(parentOf(path), (directory) => use(entryIn(directory, name), directory));
  }

  close(): void {
    for (const { fd } of this.#cached.values()) closeSync(fd);
    this.#cached.clear();
    closeSync(this.#root);
  }

  #using<Result>(directory: CachedDirectory, use: (fd: number) => Result): Result {
    directory.users += 1;
    try {
      return use(directory.fd);
    } finally {
      directory.users -= 1;
    }
  }

  /** A kept handle that is where it must be. */
  #find(key: string): CachedDirectory | null {
    const cached = this.#cached.get(key);
    if (cached === undefined) return null;
    this.#cached.delete(key);
    if (locationOf(cached.fd)?.equals(cached.location) !== true) {
      if (cached.users === 0) closeSync(cached.fd);
      else this.#cached.set(key, cached);
      return null;
    }
    this.#cached.set(key, cached);
    return cached;
  }

  /** From the nearest directory above it that is kept. The caller closes. */
  #walkTo(path: Buffer, key: string): number {
    let from: CachedDirectory | null = null;
    for (let end = key.lastIndexOf('/'); end > 0 && from === null; end = key.lastIndexOf('/', end - 1))
      from = this.#find(key.slice(0, end));
    const names = splitPath(from === null ? path : path.subarray(from.key.length + 1));
    const start = from?.fd ?? this.#root;
    let directory = start;
    for (const name of names) {
      const parent = directory;
      try {
        directory = openSync(entryIn(parent, name), directoryFlags);
      } finally {
        if (parent !== start) closeSync(parent);
      }
    }
    return directory;
  }

  #keep(path: Buffer, key: string, fd: number): CachedDirectory | null {
    const location = Buffer.concat([this.#rootLocation, Buffer.from('/'), path]);
    if (this.#maxCached === 0 || location.length > maxLocationBytes || key.endsWith(' (deleted)'))
      return null;
    if (this.#cached.has(key)) return null;
    this.#makeRoom();
    const directory = { fd, key, location, users: 0 };
    this.#cached.set(key, directory);
    return directory;
  }

  #makeRoom(): void {
    for (const [key, { fd, users }] of this.#cached) {
      if (this.#cached.size < this.#maxCached) return;
      if (users > 0) continue;
      this.#cached.delete(key);
      closeSync(fd);
    }
  }
}

/** The last name of a path. @throws FormatError for the root, and for what is no path */
export function nameOf(path: Buffer): Buffer {
  const end = path.lastIndexOf(slash);
  const [name] = splitPath(end === 0 || path.length > maxPathBytes ? path : path.subarray(end + 1));
  if (name === undefined) throw new FormatError('a path that ends without a name');
  return name;
}

export function entryIn(directory: number, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name]);
}

/** A path that leads to the very file that a handle names. */
export function through(handle: number): string {
  return `/proc/self/fd/${handle}`;
}

/** The entry itself, whatever its mode and kind. The caller closes. */
export function openEntry(entry: Buffer): number {
  return openSync(entry, O_PATH | constants.O_NOFOLLOW);
}

function locationOf(fd: number): Buffer | null {
  try {
    return readlinkSync(through(fd), { encoding: 'buffer' });
  } catch {
    return null;
  }
}
