import { closeSync, constants, openSync, readlinkSync, realpathSync } from 'node:fs';
import { codeOf } from '#contracts/errors.ts';
import { statusCode } from '../sftp/protocol.ts';
import { StatusError } from '../sftp/status-error.ts';

/** Linux; Node has no constant for it: a handle to a place in the tree, without reading it. */
export const O_PATH = 0o10000000;
const directoryFlags = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** As the kernel's MAXSYMLINKS. */
const maxSymlinks = 40;
const maxDepth = 256;

const slash = 0x2f;
const dot = Buffer.from('.');

/** Where a path of a client leads: an entry of a directory that is held open while it is used. */
export interface Place {
  /** For system calls: `/proc/self/fd/N/name`. Whatever is renamed meanwhile, it is in this directory. */
  readonly at: Buffer;
  /** From the files root, as the journal names it. */
  readonly relative: Buffer;
}

/**
 * A user's home. Paths are resolved part by part with directory handles that never follow a symbolic link; links are
 * read and followed by hand, with the home as their root. So no path leaves the home, also when another session, or
 * somebody on the host, swaps a directory for a link in the middle of it.
 */
export class Jail {
  readonly #filesRoot: Buffer;
  readonly #root: number;

  /** @param home `.` for all of the files root. @throws ENOENT when the home does not exist */
  constructor(filesRoot: string, home: string) {
    const root = realpathSync(filesRoot);
    this.#filesRoot = Buffer.from(`${root}/`, 'utf8');
    this.#root = openHome(root, home);
  }

  /**
   * The home from the files root. It may move while a session is in it: a user whose home contains it renames a
   * directory. The journal needs the name it has now.
   */
  get #home(): Buffer {
    const path = readlinkSync(procPath(this.#root), { encoding: 'buffer' });
    if (path.length === this.#filesRoot.length - 1) return Buffer.alloc(0);
    const isInside = path.subarray(0, this.#filesRoot.length).equals(this.#filesRoot);
    if (!isInside) throw new StatusError(statusCode.noSuchFile, 'The home is gone');
    return path.subarray(this.#filesRoot.length);
  }

  /** For system calls about the home itself. */
  get root(): Buffer {
    return procPath(this.#root);
  }

  close(): void {
    closeSync(this.#root);
  }

  /**
   * Resolves a client's path and calls `use` with the place, whose directory handles live until it returns.
   * @param follow whether a symbolic link at the end is followed
   */
  with<Result>(path: Buffer, { follow }: { follow: boolean }, use: (place: Place) => Result): Result {
    const walk = new Walk(this.#root);
    try {
      const name = walk.to(path, follow);
      const below = [...walk.names, ...(name.equals(dot) ? [] : [name])];
      const home = this.#home;
      return use({
        at: join([procPath(walk.directory), name]),
        relative: join(home.length === 0 ? below : [home, ...below]),
      });
    } finally {
      walk.close();
    }
  }

  /** The path as the client sees it, absolute, without `.`, `..` and links in its directories (REALPATH). */
  canonical(path: Buffer): Buffer {
    const walk = new Walk(this.#root);
    try {
      const name = walk.to(path, true);
      return join([Buffer.alloc(0), ...walk.names, ...(name.equals(dot) ? [] : [name])], true);
    } finally {
      walk.close();
    }
  }
}

/** One resolution: the directories gone through, each held open. */
class Walk {
  readonly #root: number;
  readonly #open: { fd: number; name: Buffer }[] = [];
  #symlinks = 0;

  constructor(root: number) {
    this.#root = root;
  }

  get directory(): number {
    return this.#open.at(-1)?.fd ?? this.#root;
  }

  get names(): Buffer[] {
    return this.#open.map(({ name }) => name);
  }

  /** Goes to the directory that holds the last part, and returns that part: `.` when the path ends in a directory. */
  to(path: Buffer, follow: boolean): Buffer {
    const parts = split(path);
    for (;;) {
      const part = parts.shift();
      if (part === undefined) return dot;
      if (part.equals(dot)) continue;
      if (part.toString('latin1') === '..') {
        this.#up();
        continue;
      }
      const target = parts.length > 0 || follow ? this.#linkTarget(part) : null;
      if (target !== null) {
        if (target[0] === slash) this.#toRoot();
        parts.unshift(...split(target));
      } else if (parts.length === 0) return part;
      else this.#enter(part);
    }
  }

  close(): void {
    this.#toRoot();
  }

  #enter(name: Buffer): void {
    if (this.#open.length >= maxDepth) throw new StatusError(statusCode.noSuchFile, 'The path is too deep');
    const fd = openSync(join([procPath(this.directory), name]), directoryFlags);
    this.#open.push({ fd, name });
  }

  #up(): void {
    const last = this.#open.pop();
    if (last !== undefined) closeSync(last.fd);
  }

  #toRoot(): void {
    while (this.#open.length > 0) this.#up();
  }

  #linkTarget(name: Buffer): Buffer | null {
    let target: Buffer;
    try {
      target = readlinkSync(join([procPath(this.directory), name]), { encoding: 'buffer' });
    } catch (error) {
      if (codeOf(error) === 'EINVAL' || codeOf(error) === 'ENOENT') return null;
      throw error;
    }
    this.#symlinks += 1;
    if (this.#symlinks > maxSymlinks) throw new StatusError(statusCode.noSuchFile, 'Too many symbolic links');
    return target;
  }
}

/** Below the files root no link is followed. */
function openHome(filesRoot: string, home: string): number {
  let fd = openSync(filesRoot, directoryFlags);
  for (const part of home.split('/')) {
    const next = (() => {
      try {
        return openSync(`/proc/self/fd/${fd}/${part}`, directoryFlags);
      } finally {
        closeSync(fd);
      }
    })();
    fd = next;
  }
  return fd;
}

function procPath(fd: number): Buffer {
  return Buffer.from(`/proc/self/fd/${fd}`);
}

function split(path: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  let start = 0;
  for (let at = 0; at <= path.length; at++) {
    if (at < path.length && path[at] !== slash) continue;
    if (at > start) parts.push(path.subarray(start, at));
    start = at + 1;
  }
  // A path that ends in a slash names a directory, so a link at its end is followed.
  if (path.at(-1) === slash && parts.length > 0) parts.push(dot);
  return parts;
}

function join(parts: readonly Buffer[], absolute = false): Buffer {
  if (absolute && parts.length === 1) return Buffer.from('/');
  const pieces: Buffer[] = [];
  for (const [index, part] of parts.entries()) {
    if (index > 0) pieces.push(Buffer.from('/'));
    pieces.push(part);
  }
  return Buffer.concat(pieces);
}
