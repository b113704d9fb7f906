import type { Inode } from '../core/tree.ts';
import { isWithin, type TreePath } from '../core/uncertain-names.ts';

const defaultMost = 65_536;

/**
 * Names under which files were seen: to be looked at before they are believed. All names of files with several are kept
 * from the first search on, so that one search of the tree is enough; of others the ones used last, and those that are
 * needed.
 */
export class NameHints {
  /** The one used last is the last. */
  readonly #names = new Map<Inode, Set<TreePath>>();
  readonly #isNeeded: (inode: Inode) => boolean;
  readonly #most: number;

  /** @param isNeeded of a file that a search for would cost more than keeping its name */
  constructor(isNeeded: (inode: Inode) => boolean, most = defaultMost) {
    this.#isNeeded = isNeeded;
    this.#most = most;
  }

  of(inode: Inode): TreePath[] {
    return [...(this.#names.get(inode) ?? [])];
  }

  add(inode: Inode, path: TreePath): void {
    const names = this.#names.get(inode);
    if (names !== undefined) {
      names.add(path);
      return;
    }
    this.#makeRoom();
    this.#names.set(inode, new Set([path]));
  }

  remove(inode: Inode, path: TreePath): void {
    const names = this.#names.get(inode);
    names?.delete(path);
    if (names?.size === 0) this.#names.delete(inode);
  }

  forget(inode: Inode): void {
    this.#names.delete(inode);
  }

  /** A file, or a directory with all below it, has another name. */
  moved(from: TreePath, to: TreePath): void {
    for (const names of this.#names.values()) {
      for (const name of [...names]) {
        if (!isWithin(name, from)) continue;
        names.delete(name);
        names.add(to + name.slice(from.length));
      }
    }
  }

  #makeRoom(): void {
    if (this.#names.size < this.#most) return;
    // Those that are needed may be more: what they need memory for is counted where they are needed.
    let looked = 0;
    for (const inode of this.#names.keys()) {
      if (++looked > 16) return;
      const names = this.#names.get(inode);
      this.#names.delete(inode);
      if (names === undefined || (!this.#isNeeded(inode) && names.size < 2)) return;
      this.#names.set(inode, names);
    }
  }
}
