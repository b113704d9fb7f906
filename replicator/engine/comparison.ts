import type { Inode } from '../core/tree.ts';
import { ContentReader } from './open-content.ts';
import type { Store } from './store.ts';

export interface ComparedRange {
  readonly from: number;
  readonly to: number;
  readonly blockBytes: number;
}

/**
 * Compares what lies here with a leader's hashes, block by block: what is the same is known from then on, what differs is
 * fetched. A file that is gone, or was exchanged, is not compared: it is asked for again as it is then.
 */
export async function compareContent(
  store: Store,
  inode: Inode,
  openedAt: number,
  { from, to, blockBytes }: ComparedRange,
  digests: readonly Buffer[],
): Promise<void> {
  const reader = openByInode(store, inode);
  if (reader === null) return;
  const { replica } = store;
  try {
    for (const [index, expected] of digests.entries()) {
      const start = from + index * blockBytes;
      const end = Math.min(start + blockBytes, to);
      const { bytes, digest } = await reader.digest(start, end);
      if (bytes === end - start && digest.equals(expected)) {
        replica.onSame(inode, openedAt, start, end);
        // What differs counts when it comes.
        store.comparedBytes += bytes;
      } else replica.onDifferent(inode, start, end);
      store.noteSoon();
    }
  } finally {
    reader.close();
  }
}

function openByInode({ tree }: Store, inode: Inode): ContentReader | null {
  const path = tree.nameOf(inode);
  if (path === null) return null;
  const opened = tree.openToRead(path);
  const reader = new ContentReader(opened.fd);
  if (opened.inode === inode) return reader;
  reader.close();
  return null;
}
