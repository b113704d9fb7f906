/** Something in a frame is not as the format says. The sentence names what was wrong; the frame is not usable. */
export class FormatError extends Error {
  override readonly name = 'FormatError';
}

const twoTo32 = 0x1_0000_0000;

/** Builds one buffer out of big-endian fields. */
export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(capacity = 128) {
    this.#buffer = Buffer.allocUnsafe(capacity);
  }

  u8(value: number): this {
    const at = this.#advance(1);
    this.#buffer.writeUInt8(value, at);
    return this;
  }

  u16(value: number): this {
    const at = this.#advance(2);
    this.#buffer.writeUInt16BE(value, at);
    return this;
  }

  u32(value: number): this {
    const at = this.#advance(4);
    this.#buffer.writeUInt32BE(value, at);
    return this;
  }

  /** A safe integer, in eight bytes. */
  u64(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new FormatError(`${value} is not a u64 that fits`);
    const at = this.#advance(8);
    this.#buffer.writeUInt32BE(Math.floor(value / twoTo32), at);
    this.#buffer.writeUInt32BE(value % twoTo32, at + 4);
    return this;
  }

  /** A safe integer that may be negative, in eight bytes. */
  i64(value: number): this {
    if (!Number.isSafeInteger(value)) throw new FormatError(`${value} is not an i64 that fits`);
    const at = this.#advance(8);
    this.#buffer.writeInt32BE(Math.floor(value / twoTo32), at);
    this.#buffer.writeUInt32BE(value - Math.floor(value / twoTo32) * twoTo32, at + 4);
    return this;
  }

  /** Any unsigned integer of eight bytes. */
  big64(value: bigint): this {
    if (value < 0n || value >= 1n << 64n) throw new FormatError(`${value} is not a u64`);
    const at = this.#advance(8);
    this.#buffer.writeBigUInt64BE(value, at);
    return this;
  }

  f64(value: number): this {
    const at = this.#advance(8);
    this.#buffer.writeDoubleBE(value, at);
    return this;
  }

  flag(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  /** `u32 length | bytes`. */
  bytes(value: Buffer): this {
    this.u32(value.length);
    // Making room may replace the buffer.
    const at = this.#advance(value.length);
    value.copy(this.#buffer, at);
    return this;
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value, 'utf8'));
  }

  /** Without a length: the reader knows it. */
  raw(value: Buffer): this {
    const at = this.#advance(value.length);
    value.copy(this.#buffer, at);
    return this;
  }

  /** What was written so far; a view. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #advance(size: number): number {
    const at = this.#length;
    this.#length += size;
    if (this.#length > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#length, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, at);
      this.#buffer = larger;
    }
    return at;
  }
}

/** Reads big-endian fields; a field that goes beyond the end is a FormatError that names it. */
export class ByteReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  u8(field: string): number {
    return this.#buffer.readUInt8(this.#advance(1, field));
  }

  u16(field: string): number {
    return this.#buffer.readUInt16BE(this.#advance(2, field));
  }

  u32(field: string): number {
    return this.#buffer.readUInt32BE(this.#advance(4, field));
  }

  u64(field: string): number {
    const at = this.#advance(8, field);
    const value = this.#buffer.readUInt32BE(at) * twoTo32 + this.#buffer.readUInt32BE(at + 4);
    if (!Number.isSafeInteger(value)) throw new FormatError(`${field} is larger than 2^53`);
    return value;
  }

  i64(field: string): number {
    const at = this.#advance(8, field);
    const value = this.#buffer.readInt32BE(at) * twoTo32 + this.#buffer.readUInt32BE(at + 4);
    if (!Number.isSafeInteger(value)) throw new FormatError(`${field} is beyond 2^53`);
    return value;
  }

  big64(field: string): bigint {
    return this.#buffer.readBigUInt64BE(this.#advance(8, field));
  }

  f64(field: string): number {
    const value = this.#buffer.readDoubleBE(this.#advance(8, field));
    if (!Number.isFinite(value)) throw new FormatError(`${field} is not a finite number`);
    return value;
  }

  flag(field: string): boolean {
    const value = this.u8(field);
    if (value > 1) throw new FormatError(`${field} is ${value}, neither 0 nor 1`);
    return value === 1;
  }

  /** `u32 length | bytes`; a view of the frame. */
  bytes(field: string): Buffer {
    const length = this.u32(`length of ${field}`);
    const at = this.#advance(length, field);
    return this.#buffer.subarray(at, at + length);
  }

  text(field: string): string {
    return this.bytes(field).toString('utf8');
  }

  /** A view of the frame. */
  raw(length: number, field: string): Buffer {
    const at = this.#advance(length, field);
    return this.#buffer.subarray(at, at + length);
  }

  /** All that is left; a view of the frame. */
  rest(): Buffer {
    const at = this.#at;
    this.#at = this.#buffer.length;
    return this.#buffer.subarray(at);
  }

  /** Bytes that were not read yet. */
  get left(): number {
    return this.#buffer.length - this.#at;
  }

  /** Call after the last field. */
  end(): void {
    const left = this.#buffer.length - this.#at;
    if (left > 0) throw new FormatError(`${left} bytes too many at the end of the frame`);
  }

  #advance(size: number, field: string): number {
    const at = this.#at;
    if (size > this.#buffer.length - at) throw new FormatError(`the frame ends within ${field}`);
    this.#at = at + size;
    return at;
  }
}
