import { type ByteReader, type ByteWriter, FormatError } from '#contracts/bytes.ts';
import { HoldfastError } from '#contracts/errors.ts';
import { maxRecordBytes } from './fields.ts';

/**
 * How a record stands in a batch, and a host's own record in an entry: `u16 kind | u32 length | body`. A later release
 * adds kinds and never changes one. A kind with the highest bit set may be passed over by who does not know it: it is
 * kept, counted and sent on. Any other unknown kind ends reading: what it changes must not be missed.
 */
export const ignorableBit = 0x8000;
/** Of the kind and the length. */
export const recordHeaderBytes = 6;

/** A record of a later release that this one need not know; carried as it came. */
export interface UnknownRecord {
  readonly kind: 'unknown';
  /** With the ignorable bit set. */
  readonly number: number;
  readonly body: Buffer;
}

export function writeRecordFrame(writer: ByteWriter, kind: number, body: Buffer): void {
  if (body.length > maxRecordBytes) throw new FormatError(`a record of ${body.length} bytes`);
  writer.u16(kind).bytes(body);
}

/** The body is a view. */
export function readRecordFrame(reader: ByteReader): { kind: number; body: Buffer } {
  const kind = reader.u16('record kind');
  const body = reader.bytes('record');
  if (body.length > maxRecordBytes) throw new FormatError(`a record of ${body.length} bytes`);
  return { kind, body };
}

/** @throws HoldfastError FORMAT_UNKNOWN when the kind may not be passed over */
export function unknownRecord(number: number, body: Buffer): UnknownRecord {
  if ((number & ignorableBit) === 0) {
    throw new HoldfastError(
      'FORMAT_UNKNOWN',
      `the operation log has a record of kind ${number}, which this release does not know and must not pass over`,
    );
  }
  return { kind: 'unknown', number, body };
}
