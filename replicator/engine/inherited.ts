import { closeSync } from 'node:fs';
import { errnoOf } from '../apply/errno.ts';
import { openDirectory, openForReading, type Places } from '../apply/open-file.ts';
import type { Inode } from '../core/tree.ts';
import { joinPath, type TreePath } from '../core/uncertain-names.ts';
import { fromKey, toKey } from '../tree/path.ts';
import type { Active } from './activity.ts';
import type { DiskTree } from './disk-tree.ts';
import type { FailedFile } from './failed-files.ts';

/**
 * Brings to the disk what an earlier process of this boot may have left in the page cache: everything that was active. Each
 * directory, what lies in it, and each file is flushed by itself, which takes as long as these directories are large, even
 * where all is clean: for when the file system cannot be flushed as a whole.
 */
export class InheritedFlush {
  readonly #tree: DiskTree;
  readonly #places: Places;
  readonly #flush: (fd: number) => Promise<void>;
  /** Files whose flush failed (P6). */
  readonly failed: FailedFile[] = [];

  constructor(tree: DiskTree, places: Places, flush: (fd: number) => Promise<void>) {
    this.#tree = tree;
    this.#places = places;
    this.#flush = flush;
  }

  /** @throws what the flush of a directory throws: then the disk is not to be believed (P6) */
  async run(active: Active): Promise<void> {
    for (const directory of active.directories) await this.#directory(toKey(directory), false);
    for (const file of active.files) await this.#file(toKey(file));
    for (const path of active.trees) {
      const found = this.#tree.find(toKey(path));
      if (path.length === 0 || found?.kind === 'directory') await this.#directory(toKey(path), true);
    }
  }

  async #directory(path: TreePath, deep: boolean): Promise<void> {
    const isThere = await this.#flushing(() => openDirectory(this.#places, fromKey(path)));
    for (const name of isThere ? this.#listed(path) : []) {
      const entry = joinPath(path, name);
      const kind = this.#tree.find(entry)?.kind;
      if (kind === 'file') await this.#file(entry);
      if (kind === 'directory' && deep) await this.#directory(entry, deep);
      // Its own attributes.
      if (kind === 'directory' && !deep)
        await this.#flushing(() => openDirectory(this.#places, fromKey(entry)));
    }
  }

  /** It may have gone while the directory was flushed. */
  #listed(path: TreePath): string[] {
    return path === '' || this.#tree.find(path)?.kind === 'directory' ? this.#tree.entries(path) : [];
  }

  async #file(path: TreePath): Promise<void> {
    let inode: Inode | null = null;
    const open = () => {
      const { fd, stats } = openForReading(this.#places, fromKey(path));
      inode = stats.ino;
      return fd;
    };
    try {
      await this.#flushing(open);
    } catch (error) {
      // It was opened: what failed is its flush.
      if (inode === null) throw error;
      this.failed.push({ path, inode });
    }
  }

  /** @returns false when nothing, or something else, is there */
  async #flushing(open: () => number): Promise<boolean> {
    let fd: number;
    try {
      fd = open();
    } catch (error) {
      const gone = ['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR', 'EINVAL', 'ENXIO'];
      if (gone.includes(errnoOf(error) ?? '')) return false;
      throw error;
    }
    try {
      await this.#flush(fd);
    } finally {
      closeSync(fd);
    }
    return true;
  }
}
