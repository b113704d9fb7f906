import type { EntryTimes, Inode, Tree } from './tree.ts';
import type { TreePath } from './uncertain-names.ts';

/** What a leader says of a name at one position of the log, in the turn in which it looked. */
export type NameAnswer =
  | { readonly kind: 'absent' }
  | { readonly kind: 'directory'; readonly mode: number }
  | { readonly kind: 'symlink'; readonly target: string; readonly times: EntryTimes }
  | {
      readonly kind: 'file';
      readonly mode: number;
      readonly size: number;
      readonly times: EntryTimes;
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
  if (found === null || found.kind === 'other') return { kind: 'absent' };
  if (found.kind === 'symlink') return { kind: 'symlink', target: found.target, times: tree.timesAt(path) };
  if (found.kind === 'directory') return { kind: 'directory', mode: found.mode };
  return {
    kind: 'file',
    mode: found.mode,
    size: found.size,
    times: tree.timesAt(path),
    names: found.links > 1 ? tree.namesOf(found.inode) : [],
    handles: [...handles].filter(([, { inode }]) => inode === found.inode).map(([handle]) => handle),
  };
}

/**
 * Which names a directory has in a range of names, in byte order: those behind `after` (null: from the first on) up to
 * and with `upTo` (null: to the last). It is about that range alone, at the position at which it was made.
 */
export interface EntriesPage {
  readonly after: string | null;
  /** Ascending. */
  readonly names: readonly string[];
  readonly upTo: string | null;
}

/**
 * The next page of a directory's names; null when there is no directory. Reads the whole directory.
 * @param limit the most names of a page
 */
export function answerEntries(
  tree: Tree,
  path: TreePath,
  after: string | null,
  limit: number,
): EntriesPage | null {
  if (path !== '' && tree.find(path)?.kind !== 'directory') return null;
  return pageOf(tree.entries(path).sort(), after, limit);
}

/** @param sorted all names, ascending */
export function pageOf(sorted: readonly string[], after: string | null, limit: number): EntriesPage {
  const start = after === null ? 0 : firstBehind(sorted, after);
  const names = sorted.slice(start, start + limit);
  return { after, names, upTo: start + limit < sorted.length ? (names.at(-1) ?? null) : null };
}

/** The index of the first name behind one, in ascending names. */
export function firstBehind(sorted: readonly string[], after: string): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? '') <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
