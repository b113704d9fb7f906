import { type ByteReader, ByteWriter, FormatError } from '#contracts/bytes.ts';
import { scanBatch } from '../log/batch.ts';
import { recordKind } from '../log/record-codec.ts';
import { limits } from './limits.ts';
import type { WriteData } from './ports.ts';

/**
 * A batch on its way: the log's bytes as they are, and beside them the data of its writes, or a part of it (R1):
 *
 *     bytes payload | u32 count of writes, or 0 | u32 each: 0 without data, else length + 1 | data
 */
interface BatchFrame {
  readonly payload: Buffer;
  /** One for each write. */
  readonly data: WriteData;
}

/**
 * The first part is the payload with what is told of the data.
 * @param data null: without any
 */
export function encodeBatchFrame(payload: Buffer, data: WriteData | null): [Buffer, ...Buffer[]] {
  const told = data ?? [];
  const writer = new ByteWriter(8 + payload.length + 4 * told.length).bytes(payload).u32(told.length);
  let room: number = limits.batchData;
  const sent: Buffer[] = [];
  for (const bytes of told) {
    const fits = bytes !== null && bytes.length <= room;
    writer.u32(fits ? bytes.length + 1 : 0);
    if (!fits) continue;
    room -= bytes.length;
    sent.push(bytes);
  }
  return [writer.finish(), ...sent];
}

/**
 * Buffers are views of the frame.
 * @throws FormatError also when the data is not that of the batch's writes
 */
export function readBatchFrame(reader: ByteReader): BatchFrame {
  const payload = reader.bytes('batch');
  const count = reader.u32('count of writes');
  if (count * 4 > reader.left) throw new FormatError(`the frame cannot hold ${count} writes`);
  const lengths = Array.from({ length: count }, () => reader.u32('length of data'));
  const told = lengths.map((length) => (length === 0 ? null : reader.raw(length - 1, 'data')));
  reader.end();
  const data: (Buffer | null)[] = [];
  scanBatch(payload, (kind, body) => {
    if (kind !== recordKind.write) return;
    const bytes = told[data.length] ?? null;
    if (bytes !== null && !isLengthOf(body, bytes.length)) {
      throw new FormatError(`${bytes.length} bytes that are not the data of their write`);
    }
    data.push(bytes);
  });
  if (count > 0 && count !== data.length)
    throw new FormatError(`data of ${count} writes beside ${data.length}`);
  return { payload, data };
}

/** A write is `u64 handle | u64 offset | u64 length`. */
function isLengthOf(body: Buffer, length: number): boolean {
  return body.length === 24 && body.readBigUInt64BE(16) === BigInt(length);
}
