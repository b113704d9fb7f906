import type { DirtyFiles } from '../apply/dirty-files.ts';
import type { Places } from '../apply/open-file.ts';
import type { Inode, Removal } from '../core/tree.ts';
import type { TreePath } from '../core/uncertain-names.ts';

/** What is told of a change before it is made (P1). It may throw: then nothing is changed. */
export interface BeforeChange {
  /** Names or attributes in this directory change. */
  names(directory: TreePath): void;
  /** The content of this file changes, or its attributes. */
  file(names: () => readonly TreePath[]): void;
  /** A directory gets another name. */
  moves(from: TreePath, to: TreePath): void;
  /** Changes whenever what was told before counts no longer. */
  readonly generation: number;
}

export interface DiskTreeParts {
  readonly places: Places;
  readonly dirty: DirtyFiles;
  readonly before: BeforeChange;
  /** Takes what lies at an entry out of the tree: it was displaced, and may be the only copy. */
  readonly setAside: (entry: Buffer, path: TreePath, why: Removal) => void;
  /** Whether the file lacks ranges: its name is remembered. */
  readonly isNeeded: (inode: Inode) => boolean;
  /** All of those. */
  readonly needed: () => Iterable<Inode>;
}
