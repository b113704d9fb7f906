import { type BigIntStats, lstatSync, readlinkSync, readSync } from 'node:fs';
import { errnoOf } from '../apply/errno.ts';
import type { Places } from '../apply/open-file.ts';
import type { TreePath } from '../core/uncertain-names.ts';
import { fromKey, toKey } from '../tree/path.ts';

/** null when nothing is there. */
export function statsAt({ directories, unlocked }: Places, path: TreePath): BigIntStats | null {
  const at = fromKey(path);
  try {
    const stats = unlocked.allow([{ path: at, itself: 'never' }], () =>
      directories.withEntry(at, (entry) => lstatSync(entry, { bigint: true, throwIfNoEntry: false })),
    );
    return stats ?? null;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null;
    throw error;
  }
}

/** Where a symbolic link leads. */
export function targetAt({ directories, unlocked }: Places, path: TreePath): string {
  const at = fromKey(path);
  const target = unlocked.allow([{ path: at, itself: 'never' }], () =>
    directories.withEntry(at, (entry) => readlinkSync(entry, { encoding: 'buffer' })),
  );
  return toKey(target);
}

/** Whether this very data lies in the file. */
export function hasData(fd: number, offset: number, data: Uint8Array): boolean {
  const here = Buffer.allocUnsafe(data.length);
  for (let done = 0; done < here.length; ) {
    const bytes = readSync(fd, here, done, here.length - done, offset + done);
    if (bytes === 0) return false;
    done += bytes;
  }
  return here.equals(data);
}

/** Whether a rename puts the one in the place of the other by itself. */
export function replaces(isDirectory: boolean, isFull: boolean, target: BigIntStats): boolean {
  return isDirectory === target.isDirectory() && !isFull;
}
