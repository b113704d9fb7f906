import { attributeFlag, statusCode } from './protocol.ts';
import { StatusError } from './status-error.ts';

/** What of a file's attributes a client sends; times in seconds. */
export interface Attributes {
  readonly size?: number;
  readonly mode?: number;
  readonly accessedAt?: number;
  readonly modifiedAt?: number;
}

/** Longest path or name that is taken, as PATH_MAX. */
const maxPathBytes = 4096;

/**
 * Reads the fields of one packet in order. Never trusts a length; what follows the last field that is asked for is of no
 * account. @throws StatusError badMessage
 */
export class FieldReader {
  readonly #packet: Buffer;
  #at = 0;

  constructor(packet: Buffer) {
    this.#packet = packet;
  }

  /** What has not been read yet. */
  get rest(): Buffer {
    return this.#packet.subarray(this.#at);
  }

  u32(): number {
    this.#need(4);
    this.#at += 4;
    return this.#packet.readUInt32BE(this.#at - 4);
  }

  u64(): number {
    this.#need(8);
    this.#at += 8;
    const value = this.#packet.readBigUInt64BE(this.#at - 8);
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw new StatusError(statusCode.badMessage, 'A number is too large');
    return Number(value);
  }

  /** A view of the packet, not a copy. */
  bytes(): Buffer {
    const length = this.u32();
    this.#need(length);
    this.#at += length;
    return this.#packet.subarray(this.#at - length, this.#at);
  }

  /** A path as the client wrote it: bytes, since names are not always UTF-8. */
  path(): Buffer {
    const path = this.bytes();
    if (path.length > maxPathBytes) throw new StatusError(statusCode.badMessage, 'The path is too long');
    if (path.includes(0)) throw new StatusError(statusCode.badMessage, 'The path contains a zero byte');
    return path;
  }

  text(): string {
    return this.bytes().toString('latin1');
  }

  /** Owner and group are told apart only to say that they cannot be changed: one account owns all files. */
  attributes(): Attributes & { readonly hasOwner: boolean } {
    const flags = this.u32();
    const size = flags & attributeFlag.size ? { size: this.u64() } : {};
    const hasOwner = (flags & attributeFlag.owner) !== 0;
    if (hasOwner) this.#skip(8);
    const mode = flags & attributeFlag.permissions ? { mode: this.u32() & 0o7777 } : {};
    const times = flags & attributeFlag.times ? { accessedAt: this.u32(), modifiedAt: this.u32() } : {};
    if ((flags & attributeFlag.extended) !== 0) this.#skipExtended();
    return { ...size, ...mode, ...times, hasOwner };
  }

  #skipExtended(): void {
    const count = this.u32();
    for (let index = 0; index < count; index++) {
      this.bytes();
      this.bytes();
    }
  }

  #skip(bytes: number): void {
    this.#need(bytes);
    this.#at += bytes;
  }

  #need(bytes: number): void {
    if (this.#packet.length - this.#at < bytes)
      throw new StatusError(statusCode.badMessage, 'The packet is too short');
  }
}

/** Builds the body of one reply. */
export class FieldWriter {
  readonly #parts: Buffer[] = [];

  u32(value: number): this {
    const part = Buffer.allocUnsafe(4);
    part.writeUInt32BE(value >>> 0);
    this.#parts.push(part);
    return this;
  }

  u64(value: number | bigint): this {
    const part = Buffer.allocUnsafe(8);
    part.writeBigUInt64BE(BigInt(value));
    this.#parts.push(part);
    return this;
  }

  bytes(value: Buffer): this {
    this.u32(value.length);
    this.#parts.push(value);
    return this;
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value, 'utf8'));
  }

  raw(value: Buffer): this {
    this.#parts.push(value);
    return this;
  }

  /** The whole packet: length, type, and what was written. */
  packet(type: number): Buffer {
    const length = this.#parts.reduce((sum, part) => sum + part.length, 1);
    const head = Buffer.allocUnsafe(5);
    head.writeUInt32BE(length);
    head.writeUInt8(type, 4);
    return Buffer.concat([head, ...this.#parts], 4 + length);
  }
}
