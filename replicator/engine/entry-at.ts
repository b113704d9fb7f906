import { type BigIntStats, closeSync, lstatSync, readlinkSync, readSync } from 'node:fs';
import { errnoOf } from '../apply/errno.ts';
import type { Places } from '../apply/open-file.ts';
import type { Inode } from '../core/tree.ts';
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

/** Whether this very data lies in the file that is opened, and that is the one meant; false when it cannot be read. */
export function hasData(
  open: () => { readonly fd: number; readonly inode: Inode },
  { inode, offset, data }: { readonly inode: Inode; readonly offset: number; readonly data: Uint8Array },
): boolean {
  let fd: number | null = null;
  try {
    const opened = open();
    fd = opened.fd;
    return opened.inode === inode && isAt(fd, offset, data);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

function isAt(fd: number, offset: number, data: Uint8Array): boolean {
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
