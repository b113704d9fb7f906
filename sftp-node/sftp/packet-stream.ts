import { maxDataBytes, maxPacketBytes, packetType, statusCode } from './protocol.ts';
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

/** length, type, id, length of the handle */
const writeHeadBytes = 13;
const ourHandleBytes = 4;

/**
 * Cuts the byte stream of an SFTP channel into requests. Bounded: what waits for its rest is at most one packet, and
 * the data of a WRITE never waits. Each byte is copied at most twice, however small the pieces are in which it comes.
 */
export class PacketStream {
  /** Too few bytes to tell what they begin. */
  #pending: Buffer = Buffer.alloc(0);
  /** A packet, other than a WRITE, that has not arrived to its end. */
  #partial: { packet: Buffer; filled: number } | null = null;
  #write: { id: number; handle: Buffer; offset: number; left: number } | null = null;

  /** @throws StatusError badMessage when the stream cannot be SFTP: the channel is to be closed */
  *push(chunk: Buffer): Generator<Item, void, void> {
    let rest = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#pending = Buffer.alloc(0);
    while (rest.length > 0) {
      if (this.#write !== null) {
        const item = this.#takeWriteData(rest, this.#write);
        rest = rest.subarray(item.data.length);
        yield item;
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
        const headBytes = rest.readUInt8(4) === packetType.write ? this.#beginWrite(rest, length) : 0;
        if (headBytes === null) break;
        if (headBytes > 0) {
          rest = rest.subarray(headBytes);
          const { write } = this;
          if (write?.left === 0) yield this.#takeWriteData(rest, write);
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

  private get write() {
    return this.#write;
  }

  /** Bytes of the WRITE's head; null while it is incomplete; 0 when the handle is none of ours (then a plain packet). */
  #beginWrite(rest: Buffer, length: number): number | null {
    if (rest.length < writeHeadBytes) return null;
    const handleBytes = rest.readUInt32BE(9);
    if (handleBytes !== ourHandleBytes) return 0;
    const headBytes = writeHeadBytes + handleBytes + 12;
    if (rest.length < headBytes) return null;
    const dataBytes = rest.readUInt32BE(headBytes - 4);
    const offset = rest.readBigUInt64BE(headBytes - 12);
    if (
      dataBytes > maxDataBytes ||
      dataBytes !== length + 4 - headBytes ||
      offset > BigInt(Number.MAX_SAFE_INTEGER)
    ) {
      throw new StatusError(statusCode.badMessage, `a WRITE of ${dataBytes} bytes in a packet of ${length}`);
    }
    const handle = Buffer.from(rest.subarray(writeHeadBytes, writeHeadBytes + handleBytes));
    this.#write = { id: rest.readUInt32BE(5), handle, offset: Number(offset), left: dataBytes };
    return headBytes;
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

function packetOf(packet: Buffer): Item {
  return { kind: 'packet', type: packet.readUInt8(4), body: packet.subarray(5) };
}
