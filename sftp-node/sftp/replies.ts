import type { Stats } from 'node:fs';
import { FieldWriter } from './fields.ts';
import { attributeFlag, extensions, packetType, type StatusCode, statusCode, version } from './protocol.ts';

export function versionReply(): Buffer {
  const writer = new FieldWriter().u32(version);
  for (const [name, data] of Object.entries(extensions)) writer.text(name).text(data);
  return writer.packet(packetType.version);
}

export function statusReply(id: number, status: StatusCode, message: string): Buffer {
  return new FieldWriter().u32(id).u32(status).text(message).text('en').packet(packetType.status);
}

export function okReply(id: number): Buffer {
  return statusReply(id, statusCode.ok, 'Success');
}

export function handleReply(id: number, handle: Buffer): Buffer {
  return new FieldWriter().u32(id).bytes(handle).packet(packetType.handle);
}

export function attributesReply(id: number, stats: Stats): Buffer {
  return new FieldWriter().u32(id).raw(attributesOf(stats)).packet(packetType.attrs);
}

export function extendedReply(id: number, fields: Buffer): Buffer {
  return new FieldWriter().u32(id).raw(fields).packet(packetType.extendedReply);
}

const dataHeadBytes = 13;

/**
 * A DATA reply with room for `length` bytes: the file is read straight into `room`, and `packet` cuts the reply to what
 * was read. Saves the copy from a read buffer into a packet.
 */
export function dataReply(id: number, length: number): { room: Buffer; packet(bytesRead: number): Buffer } {
  const buffer = Buffer.allocUnsafe(dataHeadBytes + length);
  return {
    room: buffer.subarray(dataHeadBytes),
    packet(bytesRead) {
      buffer.writeUInt32BE(dataHeadBytes - 4 + bytesRead, 0);
      buffer.writeUInt8(packetType.data, 4);
      buffer.writeUInt32BE(id, 5);
      buffer.writeUInt32BE(bytesRead, 9);
      const packet = buffer.subarray(0, dataHeadBytes + bytesRead);
      // The end of a file: a few bytes that wait to be sent must not keep a large buffer alive.
      return bytesRead < length / 2 ? Buffer.from(packet) : packet;
    },
  };
}

export interface NamedEntry {
  readonly name: Buffer;
  /** As `ls -l` shows it. */
  readonly longname: Buffer;
  readonly stats: Stats | null;
}

export function nameReply(id: number, entries: readonly NamedEntry[]): Buffer {
  const writer = new FieldWriter().u32(id).u32(entries.length);
  for (const { name, longname, stats } of entries) {
    writer
      .bytes(name)
      .bytes(longname)
      .raw(stats === null ? noAttributes : attributesOf(stats));
  }
  return writer.packet(packetType.name);
}

const noAttributes = Buffer.alloc(4);

function attributesOf(stats: Stats): Buffer {
  const fields = Buffer.allocUnsafe(32);
  const { size, owner, permissions, times } = attributeFlag;
  fields.writeUInt32BE(size | owner | permissions | times, 0);
  fields.writeBigUInt64BE(BigInt(stats.size), 4);
  fields.writeUInt32BE(stats.uid, 12);
  fields.writeUInt32BE(stats.gid, 16);
  fields.writeUInt32BE(stats.mode, 20);
  fields.writeUInt32BE(Math.max(0, Math.floor(stats.atimeMs / 1000)) >>> 0, 24);
  fields.writeUInt32BE(Math.max(0, Math.floor(stats.mtimeMs / 1000)) >>> 0, 28);
  return fields;
}
