import type { BigIntStats } from 'node:fs';
import type { FlushScope } from './dirty-files.ts';

/** Which file an entry is, on this host. */
export interface Identity {
  readonly type: 'file' | 'directory' | 'symlink' | 'other';
  readonly inode: bigint;
  /** Names it has, after the record. */
  readonly links: number;
}

/** What a record did. */
export interface Applied {
  /** What it was about: the open, made, moved, linked or removed file. null where it names none, and for a file removed while open. */
  readonly subject: Identity | null;
  /** What its new name stood for before: a rename replaced it, and 0 links are left of it or more. */
  readonly replaced: Identity | null;
  readonly created: boolean;
  /** False when there was nothing to do: a rename of one name of a file to another one of the same file. Both stay. */
  readonly changed: boolean;
  /** What a barrier after this record flushes. */
  readonly scope: FlushScope;
}

export const emptyScope: FlushScope = { files: [], paths: [] };
export const nothingDone: Applied = {
  subject: null,
  replaced: null,
  created: false,
  changed: true,
  scope: emptyScope,
};

/** @param links where the record takes a name away or gives one, and the stats are from before */
export function identityOf(stats: BigIntStats, links = Number(stats.nlink)): Identity {
  return { type: typeOf(stats), inode: stats.ino, links };
}

function typeOf(stats: BigIntStats): Identity['type'] {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  return stats.isSymbolicLink() ? 'symlink' : 'other';
}
