import type { DoubtChange } from './doubts.ts';

/**
 * What one host notes for itself, between the shared records and without a sequence.
 * - active (P1): names or attributes in these directories, or the content of these existing files, change from here
 *   on, and these trees move; flushed before the first such change since the checkpoint.
 * - checkpoint-begins, checkpoint: what was active before the beginning is on the disk at the end.
 * - applied: every shared record up to `sequence` is made in the tree (page cache).
 * - flushed: every shared record up to `sequence` is on the disk, tree and log.
 * - opened: the inode that a handle is bound to, by which ranges are found again after the process died.
 * - doubts: what changed, in order, in what is doubted.
 * - named: a name by which a file can be found that lacks ranges.
 */
export type LocalRecord =
  | {
      readonly kind: 'active';
      readonly directories: readonly Buffer[];
      readonly files: readonly Buffer[];
      readonly trees: readonly Buffer[];
    }
  | { readonly kind: 'checkpoint-begins' | 'checkpoint'; readonly id: number }
  | { readonly kind: 'doubts'; readonly changes: readonly DoubtChange[] }
  | { readonly kind: 'named'; readonly inode: bigint; readonly path: Buffer }
  | { readonly kind: 'applied'; readonly sequence: number }
  | { readonly kind: 'flushed'; readonly sequence: number }
  | { readonly kind: 'opened'; readonly handle: number; readonly inode: bigint };
