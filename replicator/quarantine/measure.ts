import { lstatSync, type Stats } from 'node:fs';
import type { QuarantineEntry } from '#contracts/ipc/quarantine.ts';
import { joinPath } from '../tree/path.ts';
import { namesIn, type Tree } from '../tree/tree.ts';
import type { Pace } from './pace.ts';
import { typeOf } from './quarantine.ts';

export interface Size {
  /** Length of all files. */
  readonly bytes: number;
  /** What it takes on disk. */
  readonly diskBytes: number;
  /** Files, folders and links, itself counted. */
  readonly names: number;
}

/** Of one name alone. */
export function sizeOf(stats: Stats): Size {
  const bytes = stats.isFile() ? stats.size : 0;
  return { bytes, diskBytes: stats.blocks * 512, names: 1 };
}

export interface Found {
  /** Below where the walk began. */
  readonly path: Buffer;
  readonly type: QuarantineEntry['type'];
  readonly stats: Stats;
}

/**
 * All below a folder, folder by folder, no link followed. What cannot be read, since a mode forbids it or its path is
 * longer than any that is taken, is passed over.
 */
export function* walk(tree: Tree, top: Buffer): Generator<Found> {
  const waiting: Buffer[] = [Buffer.alloc(0)];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    for (const name of namesIfReadable(tree, folder.length === 0 ? top : joinPath(top, folder))) {
      const path = joinPath(folder, name);
      const stats = statsIfThere(tree, joinPath(top, path));
      if (stats === null) continue;
      if (stats.isDirectory()) waiting.push(path);
      yield { path, type: typeOf(stats), stats };
    }
  }
}

/** Of a folder with all that is in it. */
export async function measure(tree: Tree, top: Buffer, own: Stats, pace: Pace): Promise<Size> {
  let { bytes, diskBytes, names } = sizeOf(own);
  for (const { stats } of walk(tree, top)) {
    const size = sizeOf(stats);
    bytes += size.bytes;
    diskBytes += size.diskBytes;
    names += 1;
    await pace.breathe();
  }
  return { bytes, diskBytes, names };
}

export function statsIfThere(tree: Tree, path: Buffer): Stats | null {
  try {
    return tree.withEntry(path, (entry) => lstatSync(entry));
  } catch {
    return null;
  }
}

function namesIfReadable(tree: Tree, folder: Buffer): Buffer[] {
  try {
    return namesIn(tree, folder);
  } catch {
    return [];
  }
}
