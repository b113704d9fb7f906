import { fromKey, toKey } from '../tree/path.ts';

/** What a change is about to touch, and what it makes anew. Paths from the files root. */
export interface Touched {
  /** Names or attributes in these change. */
  readonly directories: readonly Buffer[];
  /** The content of these existing files changes. */
  readonly files: readonly Buffer[];
  /** These are made by it, in one of the directories: their content needs no mention until the next checkpoint. */
  readonly created?: readonly Buffer[];
  /**
   * A directory moves from one of these names to another. What lies below is not active by itself, so both are named with
   * all below, each time: after a power loss another directory may have the name, whose entries would be taken for its.
   */
  readonly trees?: readonly Buffer[];
  /** These names stand for something else, or nothing, once it is made: what was noted of them, or below, is not of that. */
  readonly released?: readonly Buffer[];
}

export type Activation =
  | { readonly kind: 'active-already' }
  /** A local record that names them is to be flushed before the change. */
  | {
      readonly kind: 'activate';
      readonly directories: readonly Buffer[];
      readonly files: readonly Buffer[];
      readonly trees: readonly Buffer[];
    }
  /** Too much is active: a checkpoint has to end first. Nothing was noted. */
  | { readonly kind: 'full' };

export interface Noted {
  readonly directories: readonly Buffer[];
  readonly files: readonly Buffer[];
}

class Generation {
  readonly directories = new Set<string>();
  readonly files = new Set<string>();
  /** Made since the checkpoint began: covered by their directories. */
  readonly created = new Set<string>();

  get size(): number {
    return this.directories.size + this.files.size;
  }

  get noted(): Noted {
    return { directories: [...this.directories].map(fromKey), files: [...this.files].map(fromKey) };
  }

  release(key: string): void {
    for (const keys of [this.directories, this.files, this.created]) {
      for (const noted of keys) if (noted === key || noted.startsWith(`${key}/`)) keys.delete(noted);
    }
  }
}

/**
 * P1: what may differ from the disk's last checkpoint. What is named here was flushed to the log before its first change
 * since then; after a power loss it is what is uncertain.
 *
 * A checkpoint has a beginning, from which on every change is noted anew, and an end, when the tree has been flushed
 * since: then what was noted before the beginning is forgotten. So a log is read after a power loss by taking the
 * `active` records that stand behind the record at which the last checkpoint that ended began.
 */
export class ActivitySet {
  readonly #maxActive: number;
  #current = new Generation();
  /** While a checkpoint runs: what was active when it began. */
  #draining: Generation | null = null;

  /** @param maxActive directories and files; from half of it on `wantsCheckpoint` says so */
  constructor(maxActive: number) {
    if (!Number.isInteger(maxActive) || maxActive < 2) throw new RangeError(`${maxActive} active at most`);
    this.#maxActive = maxActive;
  }

  touch({ directories, files, created = [], trees = [], released = [] }: Touched): Activation {
    const newDirectories = directories.filter((path) => !this.#current.directories.has(toKey(path)));
    const newFiles = files.filter((path) => {
      const key = toKey(path);
      return !this.#current.files.has(key) && !this.#current.created.has(key);
    });
    if (this.size + newDirectories.length + newFiles.length > this.#maxActive) return { kind: 'full' };
    for (const path of released) this.#current.release(toKey(path));
    for (const path of newDirectories) this.#current.directories.add(toKey(path));
    for (const path of newFiles) this.#current.files.add(toKey(path));
    for (const path of created) this.#noteCreated(path);
    if (newDirectories.length + newFiles.length + trees.length === 0) return { kind: 'active-already' };
    return { kind: 'activate', directories: newDirectories, files: newFiles, trees };
  }

  /** Whether names in this directory may change without a note. */
  hasDirectory(path: Buffer): boolean {
    return this.#current.directories.has(toKey(path));
  }

  get size(): number {
    return this.#current.size + (this.#draining?.size ?? 0);
  }

  /** What was noted: before the beginning of the checkpoint that runs, if one does, and since. */
  get noted(): { readonly draining: Noted | null; readonly current: Noted } {
    return { draining: this.#draining?.noted ?? null, current: this.#current.noted };
  }

  get wantsCheckpoint(): boolean {
    return this.#draining === null && this.size >= this.#maxActive / 2;
  }

  /** From here on every change is noted anew. The caller flushes the tree next. */
  beginCheckpoint(): void {
    if (this.#draining !== null) throw new Error('a checkpoint is under way');
    this.#draining = this.#current;
    this.#current = new Generation();
  }

  /** The tree was flushed since the beginning, and the log says so on the disk. */
  endCheckpoint(): void {
    if (this.#draining === null) throw new Error('no checkpoint is under way');
    this.#draining = null;
  }

  /** The tree could not be flushed: what was active still is, and is not noted again for it. */
  abandonCheckpoint(): void {
    if (this.#draining === null) throw new Error('no checkpoint is under way');
    const { directories, files, created } = this.#draining;
    for (const key of directories) this.#current.directories.add(key);
    for (const key of files) this.#current.files.add(key);
    for (const key of created) this.#current.created.add(key);
    this.#draining = null;
  }

  /** Forgetting one is safe: then its next change is noted. */
  #noteCreated(path: Buffer): void {
    if (this.#current.created.size >= this.#maxActive) this.#current.created.clear();
    this.#current.created.add(toKey(path));
  }
}
