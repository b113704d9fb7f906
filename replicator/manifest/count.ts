import { setImmediate as others } from 'node:timers/promises';
import { joinPath } from '../tree/path.ts';
import type { Tree } from '../tree/tree.ts';
import { nameOf, readDirectory, readEntry } from './entry.ts';

/** How many files and links there are at a path and below it; others run between two directories. */
export async function countFiles(tree: Tree, path: Buffer, signal: AbortSignal): Promise<number> {
  const entry = readEntry(tree, path);
  if (entry === null) return 0;
  if (entry.type !== 'directory') return 1;
  let files = 0;
  const waiting = [path];
  for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
    signal.throwIfAborted();
    for (const child of readDirectory(tree, directory) ?? []) {
      if (child.type === 'directory') waiting.push(joinPath(directory, nameOf(child)));
      else files += 1;
    }
    await others();
  }
  return files;
}
