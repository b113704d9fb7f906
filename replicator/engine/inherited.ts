import { closeSync, fsync as fsyncLater } from 'node:fs';
import { promisify } from 'node:util';
import { errnoOf } from '../apply/errno.ts';
import { openDirectory, openForReading, type Places } from '../apply/open-file.ts';
import { joinPath, type TreePath } from '../core/uncertain-names.ts';
import { fromKey, toKey } from '../tree/path.ts';
import type { Active } from './activity.ts';
import type { DiskTree } from './disk-tree.ts';

const fsync = promisify(fsyncLater);

/**
 * Brings to the disk what an earlier process of this boot may have left in the page cache: everything that was active. Each
 * directory, what lies in it, and each file is flushed by itself, which takes as long as these directories are large, even
 * where all is clean: for when the file system cannot be flushed as a whole.
 * @throws what fsync throws: then the disk is not to be believed (P6)
 */
export async function flushInherited(tree: DiskTree, places: Places, active: Active): Promise<void> {
  for (const directory of active.directories) await flushDirectory(tree, places, toKey(directory), false);
  for (const file of active.files) await flushFile(places, toKey(file));
  for (const path of active.trees) {
    const found = tree.find(toKey(path));
    if (path.length === 0 || found?.kind === 'directory')
      await flushDirectory(tree, places, toKey(path), true);
  }
}

async function flushDirectory(tree: DiskTree, places: Places, path: TreePath, deep: boolean): Promise<void> {
  const isThere = await flushing(() => openDirectory(places, fromKey(path)));
  for (const name of isThere ? listed(tree, path) : []) {
    const entry = joinPath(path, name);
    const kind = tree.find(entry)?.kind;
    if (kind === 'file') await flushFile(places, entry);
    if (kind === 'directory' && deep) await flushDirectory(tree, places, entry, deep);
    // Its own attributes.
    if (kind === 'directory' && !deep) await flushing(() => openDirectory(places, fromKey(entry)));
  }
}

/** It may have gone while the directory was flushed. */
function listed(tree: DiskTree, path: TreePath): string[] {
  return path === '' || tree.find(path)?.kind === 'directory' ? tree.entries(path) : [];
}

async function flushFile(places: Places, path: TreePath): Promise<void> {
  await flushing(() => openForReading(places, fromKey(path)).fd);
}

/** @returns false when nothing, or something else, is there */
async function flushing(open: () => number): Promise<boolean> {
  let fd: number;
  try {
    fd = open();
  } catch (error) {
    const gone = ['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR', 'EINVAL', 'ENXIO'];
    if (gone.includes(errnoOf(error) ?? '')) return false;
    throw error;
  }
  try {
    await fsync(fd);
  } finally {
    closeSync(fd);
  }
  return true;
}
