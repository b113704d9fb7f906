import type { Inode, Tree } from './tree.ts';
import type { TreePath } from './uncertain-names.ts';

/** What a leader says of a name at one position of the log, in the turn in which it looked. */
export type NameAnswer =
  | { readonly kind: 'absent' }
  | { readonly kind: 'directory'; readonly mode: number }
  | { readonly kind: 'symlink'; readonly target: string }
  | {
      readonly kind: 'file';
      readonly mode: number;
      readonly size: number;
      /** All names of the file, when it has more than one. */
      readonly names: readonly TreePath[];
      /** The open handles of the file. */
      readonly handles: readonly number[];
    };

export interface OpenFile {
  readonly inode: Inode | null;
}

/** @param handles the leader's open handles */
export function answerName(tree: Tree, handles: ReadonlyMap<number, OpenFile>, path: TreePath): NameAnswer {
  const found = tree.find(path);
  if (found === null) return { kind: 'absent' };
  if (found.kind === 'symlink') return { kind: 'symlink', target: found.target };
  if (found.kind === 'directory') return { kind: 'directory', mode: found.mode };
  return {
    kind: 'file',
    mode: found.mode,
    size: found.size,
    names: found.links > 1 ? tree.namesOf(found.inode) : [],
    handles: [...handles].filter(([, { inode }]) => inode === found.inode).map(([handle]) => handle),
  };
}

/** The names in a directory; null when there is no directory. */
export function answerEntries(tree: Tree, path: TreePath): string[] | null {
  return path === '' || tree.find(path)?.kind === 'directory' ? tree.entries(path) : null;
}
