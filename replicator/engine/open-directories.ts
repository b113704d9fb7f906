import { closeSync, readdir as readdirLater } from 'node:fs';
import { promisify } from 'node:util';
import { through } from '../apply/directories.ts';
import { errnoOf } from '../apply/errno.ts';
import { openDirectory, type Places } from '../apply/open-file.ts';
import { changedNames } from '../core/changed-names.ts';
import { DirectoryListing } from '../core/directory-listing.ts';
import { isWithin, joinPath, nameOf, parentOf, type TreePath } from '../core/uncertain-names.ts';
import type { DecodedRecord } from '../log/record-codec.ts';
import type { OpenDirectory } from '../peers/ports.ts';
import { fromKey, toKey } from '../tree/path.ts';
import type { DiskTree } from './disk-tree.ts';

const readdir = promisify(readdirLater);

interface Listed {
  readonly path: TreePath;
  readonly listing: DirectoryListing;
  isThere: boolean;
}

/** The directories of which pages are made: read in libuv's pool, and told what changes meanwhile. */
export class OpenDirectories {
  readonly #tree: DiskTree;
  readonly #places: Places;
  readonly #open = new Set<Listed>();

  constructor(tree: DiskTree, places: Places) {
    this.#tree = tree;
    this.#places = places;
  }

  /** These records are about to be made. */
  touch(records: readonly DecodedRecord[]): void {
    if (this.#open.size === 0) return;
    for (const path of records.flatMap(changedNames).map(toKey)) {
      for (const open of this.#open) {
        if (parentOf(path) === open.path && path !== '') open.listing.touch(nameOf(path));
        if (isWithin(open.path, path)) open.isThere = false;
      }
    }
  }

  /** @returns null when no directory is there */
  async open(path: TreePath): Promise<OpenDirectory | null> {
    const fd = this.#descriptor(path);
    if (fd === null) return null;
    const open: Listed = { path, listing: new DirectoryListing(), isThere: true };
    this.#open.add(open);
    try {
      const names = await readdir(through(fd), { encoding: 'buffer' });
      open.listing.complete(names.map(toKey));
    } catch (error) {
      this.#open.delete(open);
      throw error;
    } finally {
      closeSync(fd);
    }
    return {
      page: (after, limit) =>
        open.isThere
          ? open.listing.page(after, limit, (name) => this.#tree.find(joinPath(path, name)) !== null)
          : null,
      close: () => this.#open.delete(open),
    };
  }

  #descriptor(path: TreePath): number | null {
    try {
      return openDirectory(this.#places, fromKey(path));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null;
      throw error;
    }
  }
}
