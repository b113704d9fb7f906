import type { Want } from '../../../replicator/core/answer-taker.ts';
import type { EntriesPage, NameAnswer } from '../../../replicator/core/answers.ts';
import type { LogPosition } from '../../../replicator/core/position.ts';
import type { LogRecord } from '../../../replicator/core/record.ts';
import type { Inode } from '../../../replicator/core/tree.ts';
import type { TreePath } from '../../../replicator/core/uncertain-names.ts';

export type ToFollower =
  | {
      readonly kind: 'record';
      readonly position: LogPosition;
      readonly record: LogRecord;
      readonly data: Uint8Array | null;
    }
  | { readonly kind: 'name'; readonly path: TreePath; readonly answer: NameAnswer }
  | { readonly kind: 'entries'; readonly path: TreePath; readonly page: EntriesPage | null }
  | { readonly kind: 'opened'; readonly id: number; readonly path: TreePath }
  | {
      /** `digest`: the data stands for its hash. */
      readonly kind: 'content' | 'digest';
      readonly id: number;
      readonly offset: number;
      readonly data: Uint8Array;
    };

export type ToLeader =
  | { readonly kind: 'want'; readonly want: Want }
  | { readonly kind: 'flushed'; readonly position: LogPosition };

/** A follower's connection to the leader: what is under way is lost when it breaks. */
export interface Connection {
  readonly follower: string;
  readonly down: ToFollower[];
  readonly up: ToLeader[];
  /** Files that the leader reads for the follower. */
  readonly reads: {
    kind: 'content' | 'digest';
    id: number;
    inode: Inode;
    from: number;
    to: number;
    data: Uint8Array | null;
  }[];
  /** The follower's: the file that a request is about, and where in the log the leader opened it. */
  readonly opened: Map<number, { inode: Inode; at: number }>;
  requests: number;
}

export function newConnection(follower: string): Connection {
  return { follower, down: [], up: [], reads: [], opened: new Map(), requests: 0 };
}
