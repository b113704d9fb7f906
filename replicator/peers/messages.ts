import type { EntriesPage, NameAnswer } from '../core/answers.ts';
import type { LogPosition } from '../core/position.ts';
import type { TreePath } from '../core/uncertain-names.ts';
import type { ControlToFollower, ControlToLeader } from './control.ts';
import type { WriteData } from './ports.ts';

/** A request of a follower; `id` is its own until the answer is complete. */
export type WantFrame =
  | { readonly type: 'want-name'; readonly id: number; readonly path: TreePath }
  | {
      readonly type: 'want-entries';
      readonly id: number;
      readonly path: TreePath;
      readonly after: string | null;
    }
  | {
      readonly type: 'want-content' | 'want-digest';
      readonly id: number;
      readonly path: TreePath;
      readonly from: number;
      readonly to: number;
    };

/** `data`: null when none is sent; what is received has one for each write. */
export interface BatchToSend {
  readonly type: 'batch';
  readonly payload: Buffer;
  readonly data: WriteData | null;
}

/** All that a leader sends, apart from signs of life. */
export type ToFollower =
  | ControlToFollower
  | { readonly type: 'batch'; readonly payload: Buffer; readonly data: WriteData }
  | { readonly type: 'name'; readonly id: number; readonly answer: NameAnswer }
  | { readonly type: 'entries'; readonly id: number; readonly page: EntriesPage | null }
  /** The file of a request is open: the position of this frame in the stream is where. */
  | { readonly type: 'opened'; readonly id: number }
  | { readonly type: 'content'; readonly id: number; readonly offset: number; readonly data: Buffer }
  /** SHA-256 of each block of `blockBytes` from `from` on; the last one ends at `to`. It completes the request. */
  | {
      readonly type: 'digest';
      readonly id: number;
      readonly from: number;
      readonly to: number;
      readonly blockBytes: number;
      readonly digests: readonly Buffer[];
    }
  /** Nothing more comes for this request; without `opened` before, the leader has no such file. */
  | { readonly type: 'answered'; readonly id: number }
  /** Flush everything that was consumed up to here. Cumulative. */
  | { readonly type: 'flush'; readonly sequence: number }
  /** Directly behind the batch that ends here: flush what that batch changed (P3). */
  | { readonly type: 'barrier'; readonly sequence: number };

/** All that a follower sends, apart from signs of life. */
export type ToLeader =
  | ControlToLeader
  | WantFrame
  /** Everything up to here is consumed: in the log and applied, in the page cache. */
  | { readonly type: 'received'; readonly position: LogPosition }
  /** Everything up to here is on the disk; `complete` by R5. */
  | { readonly type: 'flushed'; readonly position: LogPosition; readonly complete: boolean }
  /** What the batch changed that ends here is on the disk, with the log up to there; nothing was missing (R5). */
  | { readonly type: 'passed'; readonly sequence: number };
