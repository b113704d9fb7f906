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
  | { readonly kind: 'symlink'; readonly target: string };

/** What can be made at a path at which nothing is. */
export type NewEntry =
  | { readonly kind: 'file'; readonly mode: number }
  | { readonly kind: 'directory'; readonly mode: number }
  | { readonly kind: 'symlink'; readonly target: string };

/** The tree of files as the engine reads and changes it, on every host. All calls act on the page cache. */
export interface Tree {
  find(path: TreePath): Found | null;
  entries(directory: TreePath): string[];
  /** @returns the inode of a file; 0 for the others */
  make(path: TreePath, entry: NewEntry): Inode;
  /** Gives an existing file another name, at which nothing is. False when it has none left to be found by. */
  link(inode: Inode, path: TreePath): boolean;
  /** Nothing is at `to`. */
  rename(from: TreePath, to: TreePath): void;
  /** What is at the path, with all below it. */
  remove(path: TreePath): void;
  write(inode: Inode, offset: number, data: Uint8Array): void;
  /** Of a file. */
  setFileAttributes(inode: Inode, attributes: LoggedAttributes): void;
  setMode(path: TreePath, mode: number): void;
  /** Undefined when it has no name and is not open either. */
  sizeOf(inode: Inode): number | undefined;
  /** One of the names of a file; null when it has none. May have to search. */
  nameOf(inode: Inode): TreePath | null;
  /** All names of a file. May have to search. */
  namesOf(inode: Inode): TreePath[];
}
