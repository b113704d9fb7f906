import { FormatError } from './bytes.ts';

/** A frame is `u32 length | u8 type | body`, big endian; the length counts the type and the body. */
export interface Frame {
  readonly type: number;
  /** A view of the received chunk when the frame arrived in one. */
  readonly body: Buffer;
}

export const maxFrameBytes = 1024 * 1024;
const lengthBytes = 4;
/** Longer frames have memory of their own in any case. */
const keptBytes = 1024 * 1024;

/**
 * Joins the parts of one frame into what goes on the wire: the header with the first part, and the others as they
 * are, so that file data is not copied.
 *
 * @throws FormatError when the frame would be too long
 */
export function encodeFrame(type: number, first: Buffer, ...others: readonly Buffer[]): Buffer[] {
  return encodeFrameWithin(maxFrameBytes, type, first, ...others);
}

/** The same for a protocol with another limit. */
export function encodeFrameWithin(
  limit: number,
  type: number,
  first: Buffer,
  ...others: readonly Buffer[]
): Buffer[] {
  const length = 1 + first.length + others.reduce((sum, part) => sum + part.length, 0);
  if (length > limit) throw new FormatError(`a frame of ${length} bytes, more than ${limit}`);
  const head = Buffer.allocUnsafe(lengthBytes + 1 + first.length);
  head.writeUInt32BE(length, 0);
  head.writeUInt8(type, lengthBytes);
  first.copy(head, lengthBytes + 1);
  return [head, ...others];
}

/**
 * Cuts a byte stream into frames. A frame that spans chunks is gathered in a buffer of its own size, so each byte is
 * copied at most once; memory is bounded by one frame. After a FormatError the stream is lost: close it.
 */
export class FrameDecoder {
  readonly #length = Buffer.allocUnsafe(lengthBytes);
  #lengthFilled = 0;
  /** The frame being gathered; null while its length is not known. */
  #partial: Buffer | null = null;
  #partialFilled = 0;
  readonly #limit: number;
  /** Used again for one frame after the other; null: each has memory of its own. */
  #memory: Buffer | null;

  /** @param options.usesMemoryAgain a frame is good until the next one is asked for, or `push` is called again */
  constructor(limit = maxFrameBytes, { usesMemoryAgain = false } = {}) {
    this.#limit = limit;
    this.#memory = usesMemoryAgain ? Buffer.alloc(0) : null;
  }

  *push(chunk: Buffer): Generator<Frame, void, void> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#partial !== null) {
        at += this.#gather(this.#partial, chunk.subarray(at));
        if (this.#partialFilled === this.#partial.length) {
          const whole = this.#partial;
          this.#partial = null;
          yield frameOf(whole);
        }
        continue;
      }
      const taken = chunk.copy(this.#length, this.#lengthFilled, at, at + lengthBytes - this.#lengthFilled);
      at += taken;
      this.#lengthFilled += taken;
      if (this.#lengthFilled < lengthBytes) return;
      this.#lengthFilled = 0;
      const length = boundedLength(this.#length.readUInt32BE(0), this.#limit);
      if (length <= chunk.length - at) {
        yield frameOf(chunk.subarray(at, at + length));
        at += length;
      } else {
        this.#partial = this.#room(length);
        this.#partialFilled = 0;
      }
    }
  }

  #room(length: number): Buffer {
    if (this.#memory === null || length > keptBytes) return Buffer.allocUnsafe(length);
    if (length > this.#memory.length) this.#memory = Buffer.allocUnsafeSlow(length);
    return this.#memory.subarray(0, length);
  }

  #gather(partial: Buffer, chunk: Buffer): number {
    const taken = chunk.copy(partial, this.#partialFilled);
    this.#partialFilled += taken;
    return taken;
  }
}

function boundedLength(length: number, limit: number): number {
  if (length === 0) throw new FormatError('a frame without a type');
  if (length > limit) throw new FormatError(`a frame of ${length} bytes, more than ${limit}`);
  return length;
}

function frameOf(bytes: Buffer): Frame {
  return { type: bytes.readUInt8(0), body: bytes.subarray(1) };
}
