import { closeSync, constants, openSync, readdirSync } from 'node:fs';
import { parentOf, splitPath } from './path.ts';

/** Not in Node's constants; the same on every Linux architecture that Node runs on. */
const O_PATH = 0o10000000;
const walk = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * A directory tree whose users own the symbolic links in it. Paths are walked with one directory handle after the
 * other and O_NOFOLLOW, so that no link is ever followed, whoever swaps it in meanwhile; what a caller gets is a
 * path through /proc/self/fd, good until its callback returns.
 */
export class Tree {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** Calls `use` with a path of the entry that is safe for one system call not following links at the last name. */
  withEntry<Result>(path: Buffer, use: (entry: Buffer) => Result): Result {
    const name = splitPath(path).at(-1);
    if (name === undefined) return use(Buffer.from(`${this.root}/.`));
    return this.withDirectory(parentOf(path), (directory) => use(entryIn(directory, name)));
  }

  /** Calls `use` with an O_PATH handle of the directory. */
  withDirectory<Result>(path: Buffer, use: (directory: number) => Result): Result {
    const directory = this.#walkTo(path);
    try {
      return use(directory);
    } finally {
      closeSync(directory);
    }
  }

  /** Opens the file itself, never through a link; the caller closes. */
  open(path: Buffer, flags: number, mode = 0): number {
    return this.withEntry(path, (entry) => openSync(entry, flags | constants.O_NOFOLLOW, mode));
  }

  /** A handle of the directory that can be fsynced; the caller closes. */
  openDirectory(path: Buffer): number {
    return this.withDirectory(path, (directory) =>
      openSync(`/proc/self/fd/${directory}/.`, constants.O_RDONLY | constants.O_DIRECTORY),
    );
  }

  #walkTo(path: Buffer): number {
    const parts = splitPath(path);
    let directory = openSync(this.root, O_PATH | constants.O_DIRECTORY);
    for (const part of parts) {
      const parent = directory;
      try {
        directory = openSync(entryIn(parent, part), walk);
      } finally {
        closeSync(parent);
      }
    }
    return directory;
  }
}

/** The entry itself without following a link: attributes are changed through this handle. The caller closes. */
export function openEntry(entry: Buffer): number {
  return openSync(entry, O_PATH | constants.O_NOFOLLOW);
}

export function entryIn(directory: number, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name]);
}

/** The names in a directory, in no order. @throws errors of the file system */
export function namesIn(tree: Tree, path: Buffer): Buffer[] {
  return tree.withDirectory(path, (directory) =>
    readdirSync(`${through(directory)}/.`, { encoding: 'buffer' }),
  );
}

/** A path that leads to the very file an O_PATH handle names. */
export function through(handle: number): string {
  return `/proc/self/fd/${handle}`;
}

/** The error code of a failed system call, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | null)?.code;
}
