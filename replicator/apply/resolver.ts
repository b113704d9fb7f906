import { closeSync, lstatSync, openSync, readlinkSync } from 'node:fs';
import { type Directories, directoryFlags, entryIn } from './directories.ts';
import { ErrnoError, errnoOf } from './errno.ts';
import { maxNameBytes, maxPathBytes } from './limits.ts';

/** As the kernel's MAXSYMLINKS. */
const maxSymlinks = 40;
/** Directories above a name that a client can reach, each held open while it is resolved. */
const maxDepth = 256;
/** Names gone through in all, links' included: a request must not hold up the ordering thread. */
const maxSteps = 1024;

const slash = 0x2f;

export interface Resolved {
  /** Link-free, from the files root: what is logged. */
  readonly path: Buffer;
  /** It is the root of the grant itself. */
  readonly isRoot: boolean;
}

/**
 * From what a client says to the path that is logged (J1). Symbolic links are read and followed by hand, with the root of the
 * client's grant as their root, and directories are entered by handles that never follow one: so the way never leaves
 * that root, whoever swaps a directory for a link in the middle of it.
 */
export class Resolver {
  readonly #directories: Directories;

  constructor(directories: Directories) {
    this.#directories = directories;
  }

  /**
   * @param root of the grant: link-free, from the files root
   * @param path the client's; absolute and relative mean the same. One that ends in a slash names a directory.
   * @param follow whether a symbolic link at the end is followed. The last name need not exist.
   * @throws ErrnoError or the kernel's: ENOENT (also when the root is gone), ENOTDIR, EACCES, ELOOP, ENAMETOOLONG, EINVAL
   */
  resolve(root: Buffer, path: Buffer, { follow }: { readonly follow: boolean }): Resolved {
    if (path.length > maxPathBytes) throw new ErrnoError('ENAMETOOLONG', 'the path is too long');
    if (path.includes(0)) throw new ErrnoError('EINVAL', 'the path has a NUL byte');
    const plain = this.#plain(root, path, follow);
    if (plain !== null) return plain;
    return this.#directories.with(root, (directory) => {
      const walk = new Walk(directory);
      try {
        const last = walk.to(path, follow);
        return resolved(root, last === null ? walk.names : [...walk.names, last]);
      } finally {
        walk.close();
      }
    });
  }

  /** A path of plain names below directories that are none by links is itself what it leads to. null: walk. */
  #plain(root: Buffer, path: Buffer, follow: boolean): Resolved | null {
    const names = namesOf(path);
    if (names.length === 0 || names.length > maxDepth || !names.every(isPlain)) return null;
    const { path: asked } = resolved(root, names);
    try {
      const isLink = this.#directories.withEntry(asked, (entry) => follow && isSymbolicLink(entry));
      return isLink ? null : { path: asked, isRoot: false };
    } catch {
      return null;
    }
  }
}

/** One resolution: the directories gone through, each held open. */
class Walk {
  readonly #root: number;
  readonly #open: { readonly fd: number; readonly name: Buffer }[] = [];
  #symlinks = 0;
  #steps = 0;

  constructor(root: number) {
    this.#root = root;
  }

  get names(): Buffer[] {
    return this.#open.map(({ name }) => name);
  }

  /** Goes to the directory that holds the last name, and returns that name: null when the path ends in a directory. */
  to(path: Buffer, follow: boolean): Buffer | null {
    /** Those ahead, the next one last. */
    const ahead = namesOf(path).reverse();
    for (;;) {
      const name = ahead.pop();
      if (name === undefined) return null;
      this.#step();
      if (isDot(name)) continue;
      if (isDotDot(name)) {
        this.#up();
        continue;
      }
      if (name.length > maxNameBytes) throw new ErrnoError('ENAMETOOLONG', 'a name is too long');
      const isLast = ahead.length === 0;
      const target = isLast ? this.#lastTarget(name, follow) : this.#enter(name);
      if (target !== null) this.#follow(target, ahead);
      else if (isLast) return name;
    }
  }

  close(): void {
    while (this.#open.length > 0) this.#up();
  }

  get #directory(): number {
    return this.#open.at(-1)?.fd ?? this.#root;
  }

  #step(): void {
    this.#steps += 1;
    if (this.#steps > maxSteps) throw new ErrnoError('ENAMETOOLONG', 'the path has too many names');
  }

  #follow(target: Buffer, ahead: Buffer[]): void {
    this.#symlinks += 1;
    if (this.#symlinks > maxSymlinks) throw new ErrnoError('ELOOP', 'too many symbolic links');
    if (target[0] === slash) this.close();
    ahead.push(...namesOf(target).reverse());
  }

  #lastTarget(name: Buffer, follow: boolean): Buffer | null {
    return follow ? linkTarget(entryIn(this.#directory, name)) : null;
  }

  /** Enters the directory, or returns where the link leads that is there instead. */
  #enter(name: Buffer): Buffer | null {
    if (this.#open.length >= maxDepth) throw new ErrnoError('ENAMETOOLONG', 'the path is too deep');
    const entry = entryIn(this.#directory, name);
    try {
      this.#open.push({ fd: openSync(entry, directoryFlags), name });
      return null;
    } catch (error) {
      if (errnoOf(error) !== 'ENOTDIR') throw error;
      const target = linkTarget(entry);
      if (target === null) throw error;
      return target;
    }
  }

  #up(): void {
    const last = this.#open.pop();
    if (last !== undefined) closeSync(last.fd);
  }
}

function resolved(root: Buffer, names: readonly Buffer[]): Resolved {
  const parts = root.length === 0 ? names : [root, ...names];
  const path = Buffer.concat(
    parts.flatMap((part, index) => (index === 0 ? [part] : [Buffer.of(slash), part])),
  );
  if (path.length > maxPathBytes) throw new ErrnoError('ENAMETOOLONG', 'the path is too long');
  return { path, isRoot: names.length === 0 };
}

function isSymbolicLink(entry: Buffer): boolean {
  return lstatSync(entry, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

/** null when it is no link, or none any more. */
function linkTarget(entry: Buffer): Buffer | null {
  if (!isSymbolicLink(entry)) return null;
  try {
    return readlinkSync(entry, { encoding: 'buffer' });
  } catch (error) {
    if (errnoOf(error) === 'EINVAL' || errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

function namesOf(path: Buffer): Buffer[] {
  const names: Buffer[] = [];
  for (let start = 0; start < path.length; ) {
    const found = path.indexOf(slash, start);
    const end = found === -1 ? path.length : found;
    if (end > start) names.push(path.subarray(start, end));
    start = end + 1;
  }
  // A path that ends in a slash names a directory, so a link at its end is followed.
  if (path.at(-1) === slash && names.length > 0) names.push(Buffer.from('.'));
  return names;
}

function isPlain(name: Buffer): boolean {
  return name.length <= maxNameBytes && !isDot(name) && !isDotDot(name);
}

function isDot(name: Buffer): boolean {
  return name.length === 1 && name[0] === 0x2e;
}

function isDotDot(name: Buffer): boolean {
  return name.length === 2 && name[0] === 0x2e && name[1] === 0x2e;
}
