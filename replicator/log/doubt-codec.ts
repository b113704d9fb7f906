import { type ByteReader, type ByteWriter, FormatError } from '#contracts/bytes.ts';
import type { DoubtChange } from '../core/doubts.ts';
import type { Scope } from '../core/record.ts';
import { fromKey, toKey } from '../tree/path.ts';
import { readPath, writePath } from './fields.ts';

const kindNumbers = {
  mark: 1,
  settle: 2,
  'settle-entries': 3,
  move: 4,
  lack: 5,
  differ: 6,
  know: 7,
  'forget-after': 8,
} as const satisfies Record<DoubtChange['kind'], number>;

const kindsByNumber = new Map<number, DoubtChange['kind']>(
  Object.entries(kindNumbers).map(([kind, number]) => [number, kind as DoubtChange['kind']]),
);
const scopes: readonly Scope[] = ['name', 'entries', 'tree'];

/** @throws FormatError when a field is out of its bounds */
export function writeDoubtChange(writer: ByteWriter, change: DoubtChange): void {
  writer.u8(kindNumbers[change.kind]);
  switch (change.kind) {
    case 'mark':
    case 'settle':
      writePath(writer.u8(scopes.indexOf(change.scope)), fromKey(change.path));
      return;
    case 'settle-entries':
      writePath(writer, fromKey(change.path)).flag(change.upTo !== null);
      if (change.upTo !== null) writePath(writer, fromKey(change.upTo));
      return;
    case 'move':
      writePath(writePath(writer, fromKey(change.from)), fromKey(change.to));
      return;
    case 'lack':
      writer.big64(change.inode).u64(change.from).u64(change.to).u64(change.since).flag(change.mayBeSame);
      return;
    case 'differ':
    case 'know':
      writer.big64(change.inode).u64(change.from).u64(change.to);
      return;
    case 'forget-after':
      writer.u64(change.sequence);
  }
}

/** @throws FormatError */
export function readDoubtChange(reader: ByteReader): DoubtChange {
  const kind = kindsByNumber.get(reader.u8('kind of change'));
  switch (kind) {
    case 'mark':
      return { kind, scope: readScope(reader), path: readKey(reader) };
    case 'settle': {
      const scope = readScope(reader);
      if (scope === 'entries') throw new FormatError('entries are settled in part');
      return { kind, scope, path: readKey(reader) };
    }
    case 'settle-entries': {
      const path = readKey(reader);
      return { kind, path, upTo: reader.flag('presence of the name') ? readKey(reader) : null };
    }
    case 'move':
      return { kind, from: readKey(reader), to: readKey(reader) };
    case 'lack': {
      const range = readRange(reader);
      return { kind, ...range, since: reader.u64('since'), mayBeSame: reader.flag('may be the same') };
    }
    case 'differ':
    case 'know':
      return { kind, ...readRange(reader) };
    case 'forget-after':
      return { kind, sequence: reader.u64('sequence') };
    case undefined:
      throw new FormatError('an unknown change of what is doubted');
  }
}

function readRange(reader: ByteReader): { inode: bigint; from: number; to: number } {
  return { inode: reader.big64('inode'), from: reader.u64('from'), to: reader.u64('to') };
}

function readScope(reader: ByteReader): Scope {
  const scope = scopes[reader.u8('scope')];
  if (scope === undefined) throw new FormatError('an unknown scope');
  return scope;
}

function readKey(reader: ByteReader): string {
  return toKey(readPath(reader, 'path'));
}
