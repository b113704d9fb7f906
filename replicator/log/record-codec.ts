import { ByteReader, ByteWriter, FormatError } from '#contracts/bytes.ts';
import type { LogRecord, Scope, SuspectName, SuspectRange } from '../core/record.ts';
import {
  readAttributes,
  readList,
  readMode,
  readName,
  readPath,
  readRange,
  readTarget,
  writeAttributes,
  writeList,
  writeMode,
  writeName,
  writePath,
  writeRange,
  writeTarget,
} from './fields.ts';
import { ignorableBit, type UnknownRecord, unknownRecord, writeRecordFrame } from './record-frame.ts';

/** The bytes of shared records: one way to write each, so equal records have equal bytes and the reverse. */
export const recordKind = {
  leadership: 1,
  open: 2,
  write: 3,
  'set-handle-attributes': 4,
  close: 5,
  sync: 6,
  'set-attributes': 7,
  rename: 8,
  remove: 9,
  mkdir: 10,
  rmdir: 11,
  symlink: 12,
  link: 13,
  suspect: 14,
  state: 15,
} as const satisfies Record<LogRecord['kind'], number>;

const kindsByNumber = new Map<number, LogRecord['kind']>(
  Object.entries(recordKind).map(([kind, number]) => [number, kind as LogRecord['kind']]),
);

const openBit = { created: 1, truncate: 2 } as const;
const scopes: readonly Scope[] = ['name', 'entries', 'tree'];
const nodeId = /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/;
const stateArea = /^[a-z][a-z0-9-]{0,62}$/;
export const maxStateKeyBytes = 1024;
export const maxStateValueBytes = 64 * 1024;

/** What a batch of any release holds, as this one sees it. */
export type DecodedRecord = LogRecord | UnknownRecord;

/** @throws FormatError when a field is out of its bounds: nothing of the kind may get into the log */
export function writeRecord(writer: ByteWriter, record: DecodedRecord): void {
  if (record.kind === 'unknown') {
    if ((record.number & ignorableBit) === 0)
      throw new FormatError('an unknown record that is not ignorable');
    writeRecordFrame(writer, record.number, record.body);
    return;
  }
  const body = new ByteWriter(64);
  writeBody(body, record);
  writeRecordFrame(writer, recordKind[record.kind], body.finish());
}

/**
 * Buffers in the record are views of the body.
 * @throws FormatError when the body is not what `writeRecord` makes
 * @throws HoldfastError FORMAT_UNKNOWN for a kind that may not be passed over
 */
export function readRecord(kind: number, body: Buffer): DecodedRecord {
  const name = kindsByNumber.get(kind);
  if (name === undefined) return unknownRecord(kind, body);
  const reader = new ByteReader(body);
  const record = readBody(reader, name);
  reader.end();
  return record;
}

export function isKnownKind(kind: number): boolean {
  return kindsByNumber.has(kind);
}

function writeBody(writer: ByteWriter, record: LogRecord): void {
  switch (record.kind) {
    case 'leadership':
      writer.u64(record.epoch).text(matching(nodeId, record.node, 'name of a host'));
      writer.u64(record.previous.epoch).u64(record.previous.sequence);
      break;
    case 'open':
      writeName(writer.u64(record.handle), record.path);
      writer.u8((record.created ? openBit.created : 0) | (record.truncate ? openBit.truncate : 0));
      writeNames(writeMode(writer, record.mode), record.otherNames);
      break;
    case 'write':
      writeRange(writer.u64(record.handle), record.offset, record.length);
      break;
    case 'set-handle-attributes':
      writeAttributes(writer.u64(record.handle), record.attributes);
      break;
    case 'close':
    case 'sync':
      writer.u64(record.handle);
      break;
    case 'set-attributes':
      writeNames(writeAttributes(writePath(writer, record.path), record.attributes), record.otherNames);
      break;
    case 'rename':
      writeName(writeName(writer, record.from), record.to);
      break;
    case 'remove':
    case 'rmdir':
      writeName(writer, record.path);
      break;
    case 'mkdir':
      writeMode(writeName(writer, record.path), record.mode);
      break;
    case 'symlink':
      writeTarget(writeName(writer, record.path), record.target);
      break;
    case 'link':
      writeName(writeName(writer, record.existing), record.path);
      break;
    case 'suspect':
      writeList(writer, record.names, (name) => writeSuspectName(writer, name));
      writeList(writer, record.ranges, (range) => writeSuspectRange(writer, range));
      break;
    case 'state':
      writer.text(matching(stateArea, record.area, 'name of an area'));
      writer.bytes(atMost(maxStateKeyBytes, record.key, 'key')).flag(record.value !== null);
      if (record.value !== null) writer.bytes(atMost(maxStateValueBytes, record.value, 'value'));
      break;
  }
}

function readBody(reader: ByteReader, kind: LogRecord['kind']): LogRecord {
  switch (kind) {
    case 'leadership': {
      const epoch = reader.u64('epoch');
      const node = matching(nodeId, reader.text('node'), 'name of a host');
      const previous = { epoch: reader.u64('previous epoch'), sequence: reader.u64('previous sequence') };
      return { kind, epoch, node, previous };
    }
    case 'open': {
      const handle = reader.u64('handle');
      const path = readName(reader, 'path');
      const bits = reader.u8('open flags');
      if (bits > 3) throw new FormatError(`unknown open flags ${bits}`);
      const created = (bits & openBit.created) !== 0;
      const truncate = (bits & openBit.truncate) !== 0;
      const mode = readMode(reader);
      return { kind, handle, path, created, truncate, mode, otherNames: readNames(reader) };
    }
    case 'write':
      return { kind, handle: reader.u64('handle'), ...readRange(reader) };
    case 'set-handle-attributes':
      return { kind, handle: reader.u64('handle'), attributes: readAttributes(reader) };
    case 'close':
    case 'sync':
      return { kind, handle: reader.u64('handle') };
    case 'set-attributes': {
      const path = readPath(reader, 'path');
      const attributes = readAttributes(reader);
      return { kind, path, attributes, otherNames: readNames(reader) };
    }
    case 'rename':
      return { kind, from: readName(reader, 'from'), to: readName(reader, 'to') };
    case 'remove':
    case 'rmdir':
      return { kind, path: readName(reader, 'path') };
    case 'mkdir':
      return { kind, path: readName(reader, 'path'), mode: readMode(reader) };
    case 'symlink':
      return { kind, path: readName(reader, 'path'), target: readTarget(reader) };
    case 'link':
      return { kind, existing: readName(reader, 'existing'), path: readName(reader, 'path') };
    case 'suspect': {
      const names = readList(reader, 'names', 5, () => readSuspectName(reader));
      const ranges = readList(reader, 'ranges', 20, () => readSuspectRange(reader));
      return { kind, names, ranges };
    }
    case 'state': {
      const area = matching(stateArea, reader.text('area'), 'name of an area');
      const key = atMost(maxStateKeyBytes, reader.bytes('key'), 'key');
      const value = reader.flag('presence of the value')
        ? atMost(maxStateValueBytes, reader.bytes('value'), 'value')
        : null;
      return { kind, area, key, value };
    }
  }
}

function writeNames(writer: ByteWriter, names: readonly Buffer[]): ByteWriter {
  return writeList(writer, names, (name) => writeName(writer, name));
}

function readNames(reader: ByteReader): Buffer[] {
  return readList(reader, 'names', 4, () => readName(reader, 'name'));
}

function writeSuspectName(writer: ByteWriter, { path, scope }: SuspectName): void {
  writePath(writer, path).u8(scopes.indexOf(scope));
}

function readSuspectName(reader: ByteReader): SuspectName {
  const path = readPath(reader, 'path');
  const number = reader.u8('scope');
  const scope = scopes[number];
  if (scope === undefined) throw new FormatError(`unknown scope ${number}`);
  return { path, scope };
}

function writeSuspectRange(writer: ByteWriter, { paths, offset, length }: SuspectRange): void {
  writeRange(writeNames(writer, paths), offset, length);
}

function readSuspectRange(reader: ByteReader): SuspectRange {
  return { paths: readNames(reader), ...readRange(reader) };
}

function matching(pattern: RegExp, text: string, what: string): string {
  if (!pattern.test(text)) throw new FormatError(`${JSON.stringify(text.slice(0, 80))} is not the ${what}`);
  return text;
}

function atMost(limit: number, bytes: Buffer, what: string): Buffer {
  if (bytes.length > limit) throw new FormatError(`a ${what} of ${bytes.length} bytes, more than ${limit}`);
  return bytes;
}
