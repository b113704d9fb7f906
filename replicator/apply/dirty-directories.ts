import { isWithin, parentOf, rootPath, toKey } from '../tree/path.ts';
import { Flushable } from './flushable.ts';

/** Directories whose names changed since their last flush, by the path they have now. */
export class DirtyDirectories {
  readonly #byPath = new Map<string, Flushable>();
  readonly #release: (directory: Flushable) => void;

  /** @param release is told what is no longer kept here: it is closed once no flush of it is under way */
  constructor(release: (directory: Flushable) => void) {
    this.#release = release;
  }

  get size(): number {
    return this.#byPath.size;
  }

  get all(): Flushable[] {
    return [...this.#byPath.values()];
  }

  /** @param open gives a descriptor that can be fsynced; called when none is kept */
  changed(path: Buffer, open: () => number): Flushable {
    const key = toKey(path);
    let directory = this.#byPath.get(key);
    if (directory === undefined) {
      directory = new Flushable(open(), path);
      this.#byPath.set(key, directory);
    }
    directory.changed();
    return directory;
  }

  /** Those on the way from the root to this path, itself included: without them it is not found after a power loss. */
  along(path: Buffer): Flushable[] {
    if (this.#byPath.size === 0) return [];
    const found: Flushable[] = [];
    for (let at = path; ; at = parentOf(at)) {
      const directory = this.#byPath.get(toKey(at));
      if (directory !== undefined) found.push(directory);
      if (at.length === 0) return found;
    }
  }

  /** A directory has another name, and so has all below it. */
  moved(from: Buffer, to: Buffer): void {
    this.removed(to);
    for (const [key, directory] of [...this.#byPath]) {
      if (from.equals(rootPath) || !isWithin(directory.path, from)) continue;
      this.#byPath.delete(key);
      directory.path = Buffer.concat([to, directory.path.subarray(from.length)]);
      this.#byPath.set(toKey(directory.path), directory);
    }
  }

  removed(path: Buffer): void {
    const directory = this.#byPath.get(toKey(path));
    if (directory === undefined) return;
    directory.isGone = true;
    this.drop(directory);
  }

  /** A directory left the tree, with all below it. */
  removedTree(path: Buffer): void {
    for (const directory of this.all) if (isWithin(directory.path, path)) this.removed(directory.path);
  }

  has(directory: Flushable): boolean {
    return this.#byPath.get(toKey(directory.path)) === directory;
  }

  clear(): void {
    this.#byPath.clear();
  }

  /** It is clean, gone or given up. */
  drop(directory: Flushable): void {
    if (!this.has(directory)) return;
    this.#byPath.delete(toKey(directory.path));
    this.#release(directory);
  }
}
