import type { Inode } from '../core/tree.ts';
import { isWithin, type TreePath } from '../core/uncertain-names.ts';

const defaultMost = 65_536;

/**
 * Names under which files were seen: to be looked at before they are believed. All names of files with several are kept
 * from the first search on, so that one search of the tree is enough; of others the ones used last, and those that are
 * needed.
 */
export class NameHints {
  /** A set where a file had several names at a time. The one used last is the last. */
  readonly #names = new Map<Inode, TreePath | Set<TreePath>>();
  readonly #isNeeded: (inode: Inode) => boolean;
  readonly #most: number;

  /** @param isNeeded of a file that a search for would cost more than keeping its name */
  constructor(isNeeded: (inode: Inode) => boolean, most = defaultMost) {
    this.#isNeeded = isNeeded;
    this.#most = most;
  }

  of(inode: Inode): TreePath[] {
    const names = this.#names.get(inode);
    return typeof names === 'string' ? [names] : [...(names ?? [])];
  }

  add(inode: Inode, path: TreePath): void {
    const names = this.#names.get(inode);
    if (names === undefined) {
      this.#makeRoom();
      // Most files have one name: a set for each would take more memory than all else.
      this.#names.set(inode, path);
    } else if (typeof names !== 'string') names.add(path);
    else if (names !== path) this.#names.set(inode, new Set([names, path]));
  }

  remove(inode: Inode, path: TreePath): void {
    const names = this.#names.get(inode);
    if (names === path) this.#names.delete(inode);
    if (names === undefined || typeof names === 'string') return;
    names.delete(path);
    if (names.size === 0) this.#names.delete(inode);
  }

  forget(inode: Inode): void {
    this.#names.delete(inode);
  }

  /** A file, or a directory with all below it, has another name. */
  moved(from: TreePath, to: TreePath): void {
    const nowOf = (name: TreePath) => (isWithin(name, from) ? to + name.slice(from.length) : name);
    for (const [inode, names] of this.#names) {
      if (typeof names === 'string') {
        if (isWithin(names, from)) this.#names.set(inode, nowOf(names));
      } else if ([...names].some((name) => isWithin(name, from))) {
        this.#names.set(inode, new Set([...names].map(nowOf)));
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
      if (names === undefined || (typeof names === 'string' && !this.#isNeeded(inode))) return;
      this.#names.set(inode, names);
    }
  }
}
