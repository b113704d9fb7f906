import { maxPacketBytes, packetType, statusCode } from './protocol.ts';
import { StatusError } from './status-error.ts';

/** What the stream of a client consists of. */
export type Item = { readonly kind: 'packet'; readonly type: number; readonly body: Buffer } | WritePiece;

/** A piece of a WRITE, as it arrived: data is not put together first. `last` ends the request. */
export interface WritePiece {
  readonly kind: 'write';
  readonly id: number;
  readonly handle: Buffer;
  readonly offset: number;
  readonly data: Buffer;
  readonly last: boolean;
}

const ourHandleBytes = 4;
/** length, type, id, length of the handle */
const toHandleBytes = 13;
/** With the handle, the offset and the length of the data. */
const writeHeadBytes = toHandleBytes + ourHandleBytes + 12;

/**
 * Cuts the byte stream of an SFTP channel into requests. Bounded: what waits for its rest is at most one packet, and
 * the data of a WRITE never waits. Each byte is copied at most twice, however small the pieces are in which it comes.
 *
 * The length of a packet alone frames it. What follows its last field is passed over, as OpenSSH does it: Go's client
 * library sends WRITEs with bytes after the data. A field that does not fit its packet is for the handler to refuse.
 */
export class PacketStream {
  /** Too few bytes to tell what they begin. */
  #pending: Buffer = Buffer.alloc(0);
  /** A packet, other than a WRITE, that has not arrived to its end. */
  #partial: { packet: Buffer; filled: number } | null = null;
  #write: { id: number; handle: Buffer; offset: number; left: number } | null = null;
  /** What is left of a WRITE after its data: no field of it. */
  #surplus = 0;

  /** @throws StatusError badMessage when the stream cannot be SFTP: the channel is to be closed */
  *push(chunk: Buffer): Generator<Item, void, void> {
    let rest = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#pending = Buffer.alloc(0);
    while (rest.length > 0) {
      if (this.#write !== null) {
        const item = this.#takeWriteData(rest, this.#write);
        rest = rest.subarray(item.data.length);
        yield item;
      } else if (this.#surplus > 0) {
        const passed = Math.min(this.#surplus, rest.length);
        this.#surplus -= passed;
        rest = rest.subarray(passed);
      } else if (this.#partial !== null) {
        const { packet, filled } = this.#partial;
        const taken = rest.copy(packet, filled);
        this.#partial.filled += taken;
        rest = rest.subarray(taken);
        if (this.#partial.filled < packet.length) return;
        this.#partial = null;
        yield packetOf(packet);
      } else {
        const length = lengthOf(rest);
        if (length === null) break;
        const kind = kindOf(rest, length);
        if (kind === null) break;
        if (kind === 'streamed-write') {
          const write = this.#beginWrite(rest, length);
          rest = rest.subarray(writeHeadBytes);
          if (write.left === 0) yield this.#takeWriteData(rest, write);
        } else if (rest.length < 4 + length) {
          this.#partial = { packet: Buffer.allocUnsafe(4 + length), filled: 0 };
        } else {
          yield packetOf(rest.subarray(0, 4 + length));
          rest = rest.subarray(4 + length);
        }
      }
    }
    // A copy: a few bytes must not keep a large chunk alive.
    if (rest.length > 0) this.#pending = Buffer.from(rest);
  }

  #beginWrite(rest: Buffer, length: number) {
    const handle = Buffer.from(rest.subarray(toHandleBytes, toHandleBytes + ourHandleBytes));
    const offset = Number(rest.readBigUInt64BE(writeHeadBytes - 12));
    const left = rest.readUInt32BE(writeHeadBytes - 4);
    this.#surplus = 4 + length - writeHeadBytes - left;
    this.#write = { id: rest.readUInt32BE(5), handle, offset, left };
    return this.#write;
  }

  #takeWriteData(
    rest: Buffer,
    write: { id: number; handle: Buffer; offset: number; left: number },
  ): WritePiece {
    const data = rest.subarray(0, write.left);
    const { id, handle, offset } = write;
    write.offset += data.length;
    write.left -= data.length;
    const last = write.left === 0;
    if (last) this.#write = null;
    return { kind: 'write', id, handle, offset, data, last };
  }
}

/** Null while the head is incomplete. */
function lengthOf(rest: Buffer): number | null {
  if (rest.length < 5) return null;
  const length = rest.readUInt32BE(0);
  if (length < 1 || length > maxPacketBytes) {
    throw new StatusError(statusCode.badMessage, `a packet of ${length} bytes`);
  }
  return length;
}

/**
 * Null while the bytes that tell are not there. A WRITE is streamed when its fields fit its packet and its handle may be
 * one of ours; any other is a packet like the rest, which its handler refuses.
 */
function kindOf(rest: Buffer, length: number): 'streamed-write' | 'packet' | null {
  if (rest.readUInt8(4) !== packetType.write || 4 + length < writeHeadBytes) return 'packet';
  if (rest.length < toHandleBytes) return null;
  if (rest.readUInt32BE(9) !== ourHandleBytes) return 'packet';
  if (rest.length < writeHeadBytes) return null;
  const fits = rest.readUInt32BE(writeHeadBytes - 4) <= 4 + length - writeHeadBytes;
  const countable = rest.readBigUInt64BE(writeHeadBytes - 12) <= BigInt(Number.MAX_SAFE_INTEGER);
  return fits && countable ? 'streamed-write' : 'packet';
}

function packetOf(packet: Buffer): Item {
  return { kind: 'packet', type: packet.readUInt8(4), body: packet.subarray(5) };
}
