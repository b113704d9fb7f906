import { ByteReader, ByteWriter } from '#contracts/bytes.ts';
import type { LocalRecord } from '../core/local-record.ts';
import { readDoubtChange, writeDoubtChange } from './doubt-codec.ts';
import { readList, readPath, writeList, writePath } from './fields.ts';
import { readRecordFrame, unknownRecord, writeRecordFrame } from './record-frame.ts';

const kindNumbers = {
  active: 1,
  applied: 2,
  flushed: 3,
  opened: 4,
  'checkpoint-begins': 5,
  checkpoint: 6,
  doubts: 7,
  named: 8,
} as const satisfies Record<LocalRecord['kind'], number>;

const kindsByNumber = new Map<number, LocalRecord['kind']>(
  Object.entries(kindNumbers).map(([kind, number]) => [number, kind as LocalRecord['kind']]),
);

/** @throws FormatError when a field is out of its bounds */
export function encodeLocalRecords(records: readonly LocalRecord[]): Buffer {
  const writer = new ByteWriter(256);
  for (const record of records) {
    const body = new ByteWriter(64);
    writeBody(body, record);
    writeRecordFrame(writer, kindNumbers[record.kind], body.finish());
  }
  return writer.finish();
}

/**
 * Buffers in the records are views of the payload. Kinds of a later release that may be passed over are left out.
 * @throws FormatError when the payload is not what `encodeLocalRecords` makes
 * @throws HoldfastError FORMAT_UNKNOWN for a kind that may not be passed over
 */
export function decodeLocalRecords(payload: Buffer): LocalRecord[] {
  const reader = new ByteReader(payload);
  const records: LocalRecord[] = [];
  while (reader.left > 0) {
    const { kind, body } = readRecordFrame(reader);
    const name = kindsByNumber.get(kind);
    if (name === undefined) unknownRecord(kind, body);
    else records.push(decodeBody(body, name));
  }
  return records;
}

function writeBody(writer: ByteWriter, record: LocalRecord): void {
  switch (record.kind) {
    case 'active':
      writeList(writer, record.directories, (path) => writePath(writer, path));
      writeList(writer, record.files, (path) => writePath(writer, path));
      writeList(writer, record.trees, (path) => writePath(writer, path));
      break;
    case 'applied':
    case 'flushed':
      writer.u64(record.sequence);
      break;
    case 'opened':
      writer.u64(record.handle).big64(record.inode);
      break;
    case 'checkpoint-begins':
    case 'checkpoint':
      writer.u64(record.id);
      break;
    case 'doubts':
      writeList(writer, record.changes, (change) => writeDoubtChange(writer, change));
      break;
    case 'named':
      writePath(writer.big64(record.inode), record.path);
      break;
  }
}

function decodeBody(body: Buffer, kind: LocalRecord['kind']): LocalRecord {
  const reader = new ByteReader(body);
  const record = readBody(reader, kind);
  reader.end();
  return record;
}

function readBody(reader: ByteReader, kind: LocalRecord['kind']): LocalRecord {
  switch (kind) {
    case 'active': {
      const directories = readList(reader, 'directories', 4, () => readPath(reader, 'directory'));
      const files = readList(reader, 'files', 4, () => readPath(reader, 'file'));
      const trees = readList(reader, 'trees', 4, () => readPath(reader, 'tree'));
      return { kind, directories, files, trees };
    }
    case 'applied':
    case 'flushed':
      return { kind, sequence: reader.u64('sequence') };
    case 'opened':
      return { kind, handle: reader.u64('handle'), inode: reader.big64('inode') };
    case 'checkpoint-begins':
    case 'checkpoint':
      return { kind, id: reader.u64('checkpoint') };
    case 'doubts':
      return { kind, changes: readList(reader, 'changes', 5, () => readDoubtChange(reader)) };
    case 'named':
      return { kind, inode: reader.big64('inode'), path: readPath(reader, 'path') };
  }
}
