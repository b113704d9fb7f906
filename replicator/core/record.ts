import type { LogPosition } from './position.ts';

/**
 * What the log holds: one shared record for each change of the tree, in the order of the leader, equal on every host.
 * Paths are bytes relative to the files root, free of links, without a leading slash; the root itself is the empty path.
 *
 * A record is in the log before the change is made, and is streamed without waiting for it: what could refuse the
 * change was looked at before, in the same turn. A change that fails all the same is followed by a `suspect` record.
 */
export type LogRecord =
  /** The first record of a leadership. It closes all handles. */
  | {
      readonly kind: 'leadership';
      readonly epoch: number;
      readonly node: string;
      readonly previous: LogPosition;
    }
  /**
   * `created`: the file is new, nothing was there; else it was there. `truncate`: its content is dropped. `otherNames`:
   * of the same file (hard links): a follower that does not know the file by `path` must not trust it by these either.
   */
  | {
      readonly kind: 'open';
      readonly handle: number;
      readonly path: Buffer;
      readonly created: boolean;
      readonly truncate: boolean;
      readonly mode: number;
      readonly otherNames: readonly Buffer[];
    }
  /** The bytes travel beside the record, and are not in the log. */
  | { readonly kind: 'write'; readonly handle: number; readonly offset: number; readonly length: number }
  | { readonly kind: 'set-handle-attributes'; readonly handle: number; readonly attributes: LoggedAttributes }
  | { readonly kind: 'close'; readonly handle: number }
  /** Changes nothing; what comes before it is to be flushed. `handle`: of that file alone. */
  | { readonly kind: 'sync'; readonly handle: number }
  | {
      readonly kind: 'set-attributes';
      readonly path: Buffer;
      readonly attributes: LoggedAttributes;
      readonly otherNames: readonly Buffer[];
    }
  | { readonly kind: 'rename'; readonly from: Buffer; readonly to: Buffer }
  | { readonly kind: 'remove'; readonly path: Buffer }
  | { readonly kind: 'mkdir'; readonly path: Buffer; readonly mode: number }
  | { readonly kind: 'rmdir'; readonly path: Buffer }
  | { readonly kind: 'symlink'; readonly path: Buffer; readonly target: Buffer }
  | { readonly kind: 'link'; readonly existing: Buffer; readonly path: Buffer }
  /**
   * What the leader is not sure of: a change that failed half way, or was under way when its process died. A follower
   * fetches these names, and these ranges, anew; on the leader what lies there counts.
   */
  | {
      readonly kind: 'suspect';
      readonly names: readonly SuspectName[];
      readonly ranges: readonly SuspectRange[];
    }
  /** Small replicated state by key (bans, quota use, ...), as later kinds need it; opaque here. */
  | { readonly kind: 'state'; readonly area: string; readonly key: Buffer; readonly value: Buffer | null };

/**
 * - name: what the path is, its attributes, and its content when it is a file;
 * - entries: which names the directory has, and each as with `name`;
 * - tree: the path, and everything below it.
 */
export type Scope = 'name' | 'entries' | 'tree';

export interface SuspectName {
  readonly path: Buffer;
  readonly scope: Scope;
}

export interface SuspectRange {
  /** All names of the file. */
  readonly paths: readonly Buffer[];
  readonly offset: number;
  readonly length: number;
}

/** Absent fields stay as they are. Times are whole microseconds since 1970; `size` truncates or extends. */
export interface LoggedAttributes {
  readonly size?: number;
  readonly mode?: number;
  readonly accessedAtUs?: number;
  readonly modifiedAtUs?: number;
}
