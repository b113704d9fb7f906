import { ByteReader, ByteWriter, FormatError } from '#contracts/bytes.ts';
import { HoldfastError } from '#contracts/errors.ts';
import type { EpochTable, LogPosition } from '../core/position.ts';
import { chainBytes } from './batch.ts';
import { readList, readPath, writeList, writePath } from './fields.ts';
import type { OpenHandle } from './handle-table.ts';

/**
 * How a segment stands to the one before: it goes on; it takes back what lies there behind its own position (R6); or
 * the log begins with it, and what lies before it is none of this log's (after a full comparison).
 */
export type SegmentHistory = 'continues' | 'takes-back' | 'begins';

/** The first entry of a segment: all that there is to know of the records before it. It is a checkpoint. */
export interface SegmentHeader {
  /** Of the cluster and this host's root; a log that came from elsewhere is not taken. */
  readonly identity: string;
  readonly base: number;
  readonly createdWallMs: number;
  readonly history: SegmentHistory;
  /** Of the last record before. */
  readonly position: LogPosition;
  /** The chain value there. */
  readonly chain: Buffer;
  readonly epochs: EpochTable;
  readonly handles: ReadonlyMap<number, OpenHandle>;
  /** What the engine knows besides: opaque here. */
  readonly state: Buffer;
}

/** Raised when a release writes what an older one cannot read. */
const formatVersion = 1;
export const maxStateBytes = 8 * 1024 * 1024;
const maxIdentityBytes = 255;
/** The newest are kept. A log of 64 MiB holds some 700,000 leaderships without anything else. */
const maxEpochs = 65_536;
/** Paths of handles beyond that are left out. */
const maxHandlePathBytes = 12 * 1024 * 1024;
const histories: readonly SegmentHistory[] = ['continues', 'takes-back', 'begins'];

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  if (header.state.length > maxStateBytes) {
    throw new FormatError(`a checkpoint of ${header.state.length} bytes, more than ${maxStateBytes}`);
  }
  const writer = new ByteWriter(1024).u32(formatVersion).text(header.identity).u64(header.base);
  writer.u64(header.createdWallMs).u8(histories.indexOf(header.history));
  writer.u64(header.position.epoch).u64(header.position.sequence).raw(header.chain);
  writeList(writer, header.epochs.slice(-maxEpochs), ({ epoch, first }) => writer.u64(epoch).u64(first));
  let room = maxHandlePathBytes;
  writeList(writer, [...header.handles], ([handle, { path, inode }]) => {
    const fits = path !== null && path.length <= room;
    room -= fits ? path.length : 0;
    writer.u64(handle).flag(fits);
    if (fits) writePath(writer, path);
    writer.flag(inode !== null);
    if (inode !== null) writer.big64(inode);
  });
  return writer.bytes(header.state).finish();
}

/**
 * Copies what it keeps.
 * @throws FormatError when the payload is not what `encodeSegmentHeader` makes
 * @throws HoldfastError FORMAT_UNKNOWN when a later release wrote it
 */
export function decodeSegmentHeader(payload: Buffer): SegmentHeader {
  const reader = new ByteReader(payload);
  const version = reader.u32('format version');
  if (version !== formatVersion) {
    throw new HoldfastError(
      'FORMAT_UNKNOWN',
      `the operation log has format ${version}, not ${formatVersion}`,
    );
  }
  const identity = reader.text('identity');
  if (Buffer.byteLength(identity) > maxIdentityBytes) throw new FormatError('an identity that is too long');
  const base = reader.u64('base');
  const createdWallMs = reader.u64('time of creation');
  const history = histories[reader.u8('history')];
  if (history === undefined) throw new FormatError('an unknown history');
  const position = { epoch: reader.u64('epoch'), sequence: reader.u64('sequence') };
  const chain = Buffer.from(reader.raw(chainBytes, 'chain'));
  const epochs = readList(reader, 'epochs', 16, () => ({
    epoch: reader.u64('epoch'),
    first: reader.u64('first'),
  }));
  const handles = new Map(
    readList(reader, 'handles', 10, (): [number, OpenHandle] => {
      const handle = reader.u64('handle');
      const path = reader.flag('presence of the path') ? Buffer.from(readPath(reader, 'path')) : null;
      const inode = reader.flag('presence of the inode') ? reader.big64('inode') : null;
      return [handle, { path, inode }];
    }),
  );
  const state = Buffer.from(reader.bytes('state'));
  reader.end();
  return { identity, base, createdWallMs, history, position, chain, epochs, handles, state };
}
