import { crc32 } from 'node:zlib';
import { FormatError } from '#contracts/bytes.ts';

/**
 * How anything stands in a segment file, aligned to 8 bytes:
 *
 *     u32 marker | u32 CRC-32 | u32 length | u8 type | 3 zero bytes | u64 durable offset | payload | zero bytes
 *
 * An offset counts the bytes of this host's log, on across segments and never back. The durable offset is what was
 * known to be on the disk when the entry was written (P4). It is an offset, not a sequence, so that it covers a host's
 * own records, which have none.
 *
 * The marker is drawn at random for each segment, and the CRC covers everything behind it and begins with marker and
 * offset: neither what an earlier life left on the disk, nor an entry at a wrong place, nor bytes that a client put into
 * a file name pass for an entry.
 */
export interface Entry {
  readonly type: number;
  /** Where it begins in its file. */
  readonly at: number;
  /** Where the next one begins. */
  readonly end: number;
  readonly durable: number;
  /** A view. */
  readonly payload: Buffer;
}

export const entryType = { header: 1, batch: 2, local: 3, mark: 4 } as const;

export const entryHeaderBytes = 24;
export const alignment = 8;
/** A batch has at most 4 MiB; the header of a segment carries a checkpoint. */
export const maxPayloadBytes = 32 * 1024 * 1024;
/** Where the CRC's cover begins. */
const coverStart = 8;

/** @param offset where it will stand in the log */
export function encodeEntry(
  type: number,
  payload: Buffer,
  { marker, offset, durable }: { marker: number; offset: number; durable: number },
): Buffer {
  if (payload.length > maxPayloadBytes) throw new FormatError(`a log entry of ${payload.length} bytes`);
  const entry = Buffer.allocUnsafe(aligned(entryHeaderBytes + payload.length));
  entry.writeUInt32BE(marker, 0);
  entry.writeUInt32BE(payload.length, 8);
  entry.writeUInt32BE(type << 24, 12);
  entry.writeBigUInt64BE(BigInt(durable), 16);
  payload.copy(entry, entryHeaderBytes);
  entry.fill(0, entryHeaderBytes + payload.length);
  entry.writeUInt32BE(crc32(entry.subarray(coverStart), crcStart(marker, offset)), 4);
  return entry;
}

/**
 * @param at where to look in the buffer
 * @param offset where that is in the log
 * @returns null when no intact entry stands there, or the buffer ends within it
 */
export function readEntry(buffer: Buffer, at: number, marker: number, offset: number): Entry | null {
  const end = entryEnd(buffer, at, marker);
  if (end === null || end > buffer.length) return null;
  const stored = buffer.readUInt32BE(at + 4);
  if (crc32(buffer.subarray(at + coverStart, end), crcStart(marker, offset)) !== stored) return null;
  const length = buffer.readUInt32BE(at + 8);
  return {
    type: buffer.readUInt8(at + 12),
    at,
    end,
    durable: Number(buffer.readBigUInt64BE(at + 16)),
    payload: buffer.subarray(at + entryHeaderBytes, at + entryHeaderBytes + length),
  };
}

/** Where an entry says that it ends, which may be beyond the buffer; null when none begins there. */
export function entryEnd(buffer: Buffer, at: number, marker: number): number | null {
  if (at + entryHeaderBytes > buffer.length || buffer.readUInt32BE(at) !== marker) return null;
  const length = buffer.readUInt32BE(at + 8);
  return length > maxPayloadBytes ? null : aligned(at + entryHeaderBytes + length);
}

/**
 * The next intact entry at or behind a place where none stands: what follows a hole.
 * @param base where the buffer begins in the log
 */
export function nextIntact(buffer: Buffer, from: number, marker: number, base: number): Entry | null {
  const wanted = Buffer.alloc(4);
  wanted.writeUInt32BE(marker);
  for (let at = buffer.indexOf(wanted, from); at !== -1; at = buffer.indexOf(wanted, at + 1)) {
    const entry = at % alignment === 0 ? readEntry(buffer, at, marker, base + at) : null;
    if (entry !== null) return entry;
  }
  return null;
}

export function aligned(length: number): number {
  return Math.ceil(length / alignment) * alignment;
}

/** Another start makes another CRC, whatever the bytes. */
function crcStart(marker: number, offset: number): number {
  return (marker ^ (offset % 0x1_0000_0000)) >>> 0;
}
