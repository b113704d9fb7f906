import { setTimeout as delay } from 'node:timers/promises';
import { joinPath, type TreePath } from '../core/uncertain-names.ts';
import type { DiskTree } from './disk-tree.ts';

/** Names that are looked at in one go, and the pause behind them: others are served in between. */
const namesAtOnce = 64;
const pauseMs = 1;

/**
 * Looks at every file once, at leisure, so that the names of those with several are known: whoever changes one of them
 * needs all its names, and would else search the whole tree for them while everybody waits.
 */
export async function rememberLinks(tree: DiskTree, isOver: () => boolean): Promise<void> {
  const folders: TreePath[] = [''];
  let looked = 0;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const name of entriesOf(tree, folder)) {
      const path = joinPath(folder, name);
      if (isDirectory(tree, path)) folders.push(path);
      if (++looked % namesAtOnce === 0) await delay(pauseMs, undefined, { ref: false });
      if (isOver()) return;
    }
  }
}

/** None of a directory that is gone by now, or cannot be read. */
function entriesOf(tree: DiskTree, folder: TreePath): string[] {
  try {
    return tree.entries(folder);
  } catch {
    return [];
  }
}

function isDirectory(tree: DiskTree, path: TreePath): boolean {
  try {
    return tree.passes(path);
  } catch {
    return false;
  }
}
