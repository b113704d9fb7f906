import type { LogRecord } from '../core/record.ts';
import { parentOf } from '../tree/path.ts';
import type { Touched } from './activity-set.ts';

const nothing: Touched = { directories: [], files: [] };

/**
 * What a record changes in the tree, as the activity set needs it.
 * @param exists whether something is at the path of an `open` (the record itself does not tell)
 * @param fileOf the path that a handle's file has now; null when it has no name
 */
export function touchedBy(
  record: LogRecord,
  state: { readonly exists: (path: Buffer) => boolean; readonly fileOf: (handle: number) => Buffer | null },
): Touched {
  switch (record.kind) {
    case 'open': {
      const { path, create, truncate } = record;
      if (create && !state.exists(path)) return { directories: [parentOf(path)], files: [], created: [path] };
      return truncate ? { directories: [], files: [path] } : nothing;
    }
    case 'write':
    case 'set-handle-attributes': {
      const path = state.fileOf(record.handle);
      return path === null ? nothing : { directories: [], files: [path] };
    }
    case 'set-attributes':
      return {
        directories: [parentOf(record.path)],
        files: record.attributes.size === undefined ? [] : [record.path],
      };
    case 'rename': {
      const { from, to } = record;
      return { directories: [parentOf(from), parentOf(to)], files: [], released: [from, to] };
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
