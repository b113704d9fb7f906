import type { LogRecord } from './record.ts';

/** The names that a record gives another meaning, or takes away. */
export function changedNames(record: LogRecord | { readonly kind: 'unknown' }): Buffer[] {
  switch (record.kind) {
    case 'rename':
      return [record.from, record.to];
    case 'open':
      return record.created ? [record.path] : [];
    case 'remove':
    case 'rmdir':
    case 'mkdir':
    case 'symlink':
    case 'link':
      return [record.path];
    default:
      return [];
  }
}
