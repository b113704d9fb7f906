import type { LogRecord } from '../core/record.ts';
import { parentOf } from '../tree/path.ts';
import type { Touched } from './activity-set.ts';

const nothing: Touched = { directories: [], files: [] };

/** What a record does not tell, as it is before it is made. */
export interface BeforeRecord {
  readonly isDirectory: (path: Buffer) => boolean;
  /** All names that a handle's file has now; none when it has none. */
  readonly namesOf: (handle: number) => readonly Buffer[];
}

/** What a record changes in the tree, as the activity set needs it. */
export function touchedBy(record: LogRecord, before: BeforeRecord): Touched {
  switch (record.kind) {
    case 'open': {
      const { path, created, truncate, otherNames } = record;
      if (created) return { directories: [parentOf(path)], files: [], created: [path] };
      return truncate ? { directories: [], files: [path, ...otherNames] } : nothing;
    }
    case 'write':
    case 'set-handle-attributes':
      return { directories: [], files: before.namesOf(record.handle) };
    case 'set-attributes': {
      const { path, attributes, otherNames } = record;
      const files = attributes.size === undefined ? [] : [path, ...otherNames];
      return { directories: [path, ...otherNames].map(parentOf), files };
    }
    case 'rename': {
      const { from, to } = record;
      const trees = before.isDirectory(from) ? [from, to] : [];
      return { directories: [parentOf(from), parentOf(to)], files: [], trees, released: [from, to] };
    }
    case 'remove':
    case 'rmdir':
      return { directories: [parentOf(record.path)], files: [], released: [record.path] };
    case 'mkdir':
    case 'symlink':
    case 'link':
      return { directories: [parentOf(record.path)], files: [] };
    case 'leadership':
    case 'close':
    case 'sync':
    case 'suspect':
    case 'state':
      return nothing;
  }
}
