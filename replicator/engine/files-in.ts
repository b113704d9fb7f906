import type { BigIntStats } from 'node:fs';
import type { Tree } from '../core/tree.ts';
import { joinPath, type TreePath } from '../core/uncertain-names.ts';

/** All regular files of a tree. */
export function* filesIn(
  tree: Pick<Tree, 'entries'>,
  statsOf: (path: TreePath) => BigIntStats | null,
): Generator<{ readonly path: TreePath; readonly stats: BigIntStats }> {
  const folders = [''];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const name of tree.entries(folder)) {
      const path = joinPath(folder, name);
      const stats = statsOf(path);
      if (stats?.isDirectory()) folders.push(path);
      if (stats?.isFile()) yield { path, stats };
    }
  }
}
