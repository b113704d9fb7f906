/** The frames between SFTP worker, engine and follower: a head, and a payload of `length` bytes. */
export const frameKind = { write: 1, open: 2, mkdir: 3, close: 4, acknowledged: 5, done: 6 } as const;
export const headBytes = 24;

export interface Frame {
  readonly kind: number;
  readonly handle: number;
  /** Of a write its offset, of what is answered with `done` the number of the request, of `acknowledged` bytes so far. */
  readonly number: number;
  readonly length: number;
  readonly payload: Buffer;
}

export function head(kind: number, handle: number, number: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(headBytes);
  bytes.writeUInt32BE(kind, 0);
  bytes.writeUInt32BE(handle, 4);
  bytes.writeUInt32BE(length, 8);
  bytes.writeUInt32BE(0, 12);
  bytes.writeDoubleBE(number, 16);
  return bytes;
}

/** The frame that begins at `at`, or null while it is not whole. */
export function frameAt(bytes: Buffer, at: number, end: number): Frame | null {
  if (end - at < headBytes) return null;
  const length = bytes.readUInt32BE(at + 8);
  if (end - at - headBytes < length) return null;
  return {
    kind: bytes.readUInt32BE(at),
    handle: bytes.readUInt32BE(at + 4),
    number: bytes.readDoubleBE(at + 16),
    length,
    payload: bytes.subarray(at + headBytes, at + headBytes + length),
  };
}

/** Cuts a stream into frames; a write comes in the pieces in which it arrived. */
export class FrameCutter {
  #pending: Buffer = Buffer.alloc(0);
  #write: { handle: number; offset: number; left: number } | null = null;

  *push(chunk: Buffer): Generator<Frame, void, void> {
    let rest = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#pending = Buffer.alloc(0);
    while (rest.length > 0) {
      if (this.#write !== null) {
        const payload = rest.subarray(0, this.#write.left);
        const { handle, offset } = this.#write;
        rest = rest.subarray(payload.length);
        this.#write =
          payload.length === this.#write.left
            ? null
            : { handle, offset: offset + payload.length, left: this.#write.left - payload.length };
        yield { kind: frameKind.write, handle, number: offset, length: payload.length, payload };
        continue;
      }
      if (rest.length < headBytes) break;
      if (rest.readUInt32BE(0) === frameKind.write) {
        this.#write = {
          handle: rest.readUInt32BE(4),
          offset: rest.readDoubleBE(16),
          left: rest.readUInt32BE(8),
        };
        rest = rest.subarray(headBytes);
        continue;
      }
      const frame = frameAt(rest, 0, rest.length);
      if (frame === null) break;
      yield frame;
      rest = rest.subarray(headBytes + frame.length);
    }
    if (rest.length > 0) this.#pending = Buffer.from(rest);
  }
}
