import { hash } from 'node:crypto';
import { ByteReader, ByteWriter, FormatError } from '#contracts/bytes.ts';
import type { LogPosition } from '../core/position.ts';
import { type DecodedRecord, readRecord, recordKind, writeRecord } from './record-codec.ts';
import { readRecordFrame, recordHeaderBytes } from './record-frame.ts';

/**
 * The records that one turn of the leader ordered: the unit of the log, of the stream and of the chain. Its payload is
 * the same on every host, byte for byte:
 *
 *     u64 epoch | u64 first sequence | u32 count | 16 bytes previous chain | records
 *
 * The chain value of a batch is the first 16 bytes of SHA-256 over its payload. Each payload holds the value of the
 * batch before it, so hosts whose position and chain are equal have the same history back to the beginning.
 */
export interface BatchHead {
  readonly epoch: number;
  readonly first: number;
  readonly last: number;
  /** The chain value of the batch before. */
  readonly previous: Buffer;
}

export const chainBytes = 16;
/** The chain value before the first batch. */
export const emptyChain: Buffer = Buffer.alloc(chainBytes);
/** Of one payload. A turn that orders more makes several batches. */
export const maxBatchBytes = 4 * 1024 * 1024;
export const batchHeadBytes = 8 + 8 + 4 + chainBytes;

/**
 * @param after where the batch stands: behind this position, whose chain value is `previous`
 * @throws FormatError when a record is out of its bounds, or all together exceed `maxBatchBytes`
 */
export function encodeBatch(
  epoch: number,
  after: LogPosition,
  previous: Buffer,
  records: readonly DecodedRecord[],
): Buffer {
  if (records.length === 0) throw new FormatError('a batch without records');
  if (records.slice(1).some(({ kind }) => kind === 'leadership')) {
    throw new FormatError('a leadership within a batch, which has one epoch');
  }
  const writer = new ByteWriter(batchHeadBytes + 64 * records.length);
  writer
    .u64(epoch)
    .u64(after.sequence + 1)
    .u32(records.length)
    .raw(previous);
  for (const record of records) writeRecord(writer, record);
  const payload = writer.finish();
  if (payload.length > maxBatchBytes) throw new FormatError(`a batch of ${payload.length} bytes`);
  return payload;
}

export function chainOf(payload: Buffer): Buffer {
  return hash('sha256', payload, 'buffer').subarray(0, chainBytes);
}

/** `previous` is a view of the payload. */
export function readBatchHead(payload: Buffer): BatchHead {
  return head(new ByteReader(payload), payload);
}

/**
 * The records of a batch, each looked at in full. Buffers are views of the payload.
 * @throws FormatError when the payload is not what `encodeBatch` makes
 * @throws HoldfastError FORMAT_UNKNOWN for a record kind that may not be passed over
 */
export function readBatch(payload: Buffer): BatchHead & { readonly records: readonly DecodedRecord[] } {
  const records: DecodedRecord[] = [];
  const batch = scanBatch(payload, (kind, body) => records.push(readRecord(kind, body)));
  return { ...batch, records };
}

/** Goes over the records without reading their bodies. */
export function scanBatch(payload: Buffer, visit: (kind: number, body: Buffer) => void): BatchHead {
  const reader = new ByteReader(payload);
  const batch = head(reader, payload);
  for (let sequence = batch.first; sequence <= batch.last; sequence += 1) {
    const { kind, body } = readRecordFrame(reader);
    if (kind === recordKind.leadership && sequence > batch.first) {
      throw new FormatError('a leadership within a batch, which has one epoch');
    }
    visit(kind, body);
  }
  reader.end();
  return batch;
}

function head(reader: ByteReader, payload: Buffer): BatchHead {
  if (payload.length > maxBatchBytes) throw new FormatError(`a batch of ${payload.length} bytes`);
  const epoch = reader.u64('epoch');
  const first = reader.u64('first sequence');
  const count = reader.u32('count of records');
  const previous = reader.raw(chainBytes, 'previous chain');
  if (epoch === 0 || first === 0) throw new FormatError('epochs and sequences count from 1');
  if (count === 0 || count * recordHeaderBytes > reader.left) {
    throw new FormatError(`a batch of ${payload.length} bytes with ${count} records`);
  }
  if (!Number.isSafeInteger(first + count)) throw new FormatError('a sequence beyond 2^53');
  return { epoch, first, last: first + count - 1, previous };
}
