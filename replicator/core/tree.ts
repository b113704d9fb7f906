import type { LoggedAttributes } from './record.ts';
import type { TreePath } from './uncertain-names.ts';

/** A file's identity on this host, as long as it has a name or is open. */
export type Inode = bigint;

export type Found =
  | {
      readonly kind: 'file';
      readonly inode: Inode;
      readonly mode: number;
      readonly size: number;
      readonly links: number;
    }
  | { readonly kind: 'directory'; readonly mode: number }
  | { readonly kind: 'symlink'; readonly target: string }
  /** A device or FIFO that somebody put there: of no record, and of no answer. */
  | { readonly kind: 'other' };

/** What can be made at a path at which nothing is. */
export type NewEntry =
  | { readonly kind: 'file'; readonly mode: number }
  | { readonly kind: 'directory'; readonly mode: number }
  | { readonly kind: 'symlink'; readonly target: string };

/** In whole microseconds since 1970. */
export interface EntryTimes {
  readonly accessedAtUs: number;
  readonly modifiedAtUs: number;
}

/** `absent`, `displaced`: by an answer of the leader, which has nothing there, or something else. */
export type Removal = 'record' | 'absent' | 'displaced';

/** The tree of files as the engine reads and changes it, on every host. All calls act on the page cache. */
export interface Tree {
  find(path: TreePath): Found | null;
  entries(directory: TreePath): string[];
  /** @returns the inode of a file; 0 for the others */
  make(path: TreePath, entry: NewEntry): Inode;
  /** Gives an existing file another name, at which nothing is. False when it has none left to be found by. */
  link(inode: Inode, path: TreePath): boolean;
  /** What is at `to` goes; it is another file than what is at `from`. */
  rename(from: TreePath, to: TreePath): void;
  /**
   * What is at the path, with all below it.
   * @param why a record says that it is gone, or an answer of the leader that it is not there: then it may be the only
   *   copy of what a client wrote
   */
  remove(path: TreePath, why: Removal): void;
  write(inode: Inode, offset: number, data: Uint8Array): void;
  /** Whether this very data lies there; false when that cannot be looked at. */
  holds(inode: Inode, offset: number, data: Uint8Array): boolean;
  /** Writes what was written before, as a record said: the file keeps its times. */
  fill(inode: Inode, offset: number, data: Uint8Array): void;
  /** Of what lies at the path, which is there; a link is not followed. */
  timesAt(path: TreePath): EntryTimes;
  /** Of a file. */
  setFileAttributes(inode: Inode, attributes: LoggedAttributes): void;
  /** Of a directory, or the times of a symbolic link. */
  setAttributesAt(path: TreePath, attributes: LoggedAttributes): void;
  /** Undefined when it has no name and is not open either. */
  sizeOf(inode: Inode): number | undefined;
  /** One of the names of a file; null when it has none. May have to search. */
  nameOf(inode: Inode): TreePath | null;
  /** All names of a file. May have to search. */
  namesOf(inode: Inode): TreePath[];
  /** A handle is bound to the file, which was found, made or linked in this turn: it stays, whatever becomes of its names. */
  hold(inode: Inode): void;
  /** As often as it was held. */
  release(inode: Inode): void;
}
