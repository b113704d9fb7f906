/** SFTP version 3 as its draft and OpenSSH's PROTOCOL file have it; the checker's own, so that it shares no mistake. */

export const request = {
  init: 1,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  lstat: 7,
  setstat: 9,
  fsetstat: 10,
  opendir: 11,
  readdir: 12,
  remove: 13,
  mkdir: 14,
  rmdir: 15,
  rename: 18,
  readlink: 19,
  symlink: 20,
  extended: 200,
} as const;

export const reply = { version: 2, status: 101, handle: 102, data: 103, name: 104, attrs: 105 } as const;

export const status = { ok: 0, endOfFile: 1, noSuchFile: 2 } as const;

export const openFlag = { read: 1, write: 2, append: 4, create: 8, truncate: 16, exclusive: 32 } as const;

const attribute = { size: 1, owner: 2, mode: 4, times: 8, extended: 0x8000_0000 } as const;

export interface SentAttributes {
  readonly size?: number;
  readonly mode?: number;
  /** Seconds since 1970, for both times. */
  readonly time?: number;
}

export interface SeenAttributes {
  readonly size: number;
  /** With the bits of the type. */
  readonly mode: number;
  /** Seconds since 1970. */
  readonly modifiedAt: number;
}

/** Names are bytes, kept one a character (latin1). */
const toBytes = (text: string): Buffer => Buffer.from(text, 'latin1');

export class Fields {
  readonly #parts: Buffer[] = [];

  u32(value: number): this {
    const part = Buffer.alloc(4);
    part.writeUInt32BE(value >>> 0);
    this.#parts.push(part);
    return this;
  }

  u64(value: number): this {
    const part = Buffer.alloc(8);
    part.writeBigUInt64BE(BigInt(value));
    this.#parts.push(part);
    return this;
  }

  string(value: Buffer | string): this {
    const bytes = typeof value === 'string' ? toBytes(value) : value;
    this.u32(bytes.length);
    this.#parts.push(bytes);
    return this;
  }

  attributes({ size, mode, time }: SentAttributes): this {
    const has = (value: unknown, flag: number) => (value === undefined ? 0 : flag);
    this.u32(has(size, attribute.size) | has(mode, attribute.mode) | has(time, attribute.times));
    if (size !== undefined) this.u64(size);
    if (mode !== undefined) this.u32(mode);
    if (time !== undefined) this.u32(time).u32(time);
    return this;
  }

  packet(type: number, id: number | null): Buffer {
    const body = Buffer.concat(this.#parts);
    const head = Buffer.alloc(id === null ? 5 : 9);
    head.writeUInt32BE(head.length - 4 + body.length);
    head.writeUInt8(type, 4);
    if (id !== null) head.writeUInt32BE(id, 5);
    return Buffer.concat([head, body]);
  }
}

export interface Reply {
  readonly type: number;
  readonly fields: FieldCursor;
}

export class FieldCursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  u32(): number {
    this.#at += 4;
    return this.#bytes.readUInt32BE(this.#at - 4);
  }

  u64(): number {
    this.#at += 8;
    return Number(this.#bytes.readBigUInt64BE(this.#at - 8));
  }

  bytes(): Buffer {
    const length = this.u32();
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  string(): string {
    return this.bytes().toString('latin1');
  }

  attributes(): SeenAttributes {
    const flags = this.u32();
    const size = flags & attribute.size ? this.u64() : 0;
    if (flags & attribute.owner) this.#at += 8;
    const mode = flags & attribute.mode ? this.u32() : 0;
    if (flags & attribute.times) this.u32();
    const modifiedAt = flags & attribute.times ? this.u32() : 0;
    if ((flags & attribute.extended) !== 0) {
      for (let left = 2 * this.u32(); left > 0; left--) this.bytes();
    }
    return { size, mode, modifiedAt };
  }
}

/** Cuts what arrives into packets. */
export class Packets {
  #chunks: Buffer[] = [];
  #length = 0;

  *push(chunk: Buffer): Generator<{ readonly type: number; readonly body: Buffer }> {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    while (this.#length >= 5) {
      if ((this.#chunks[0]?.length ?? 0) < 5) this.#join();
      const first = this.#chunks[0];
      if (first === undefined) return;
      const end = 4 + first.readUInt32BE(0);
      if (this.#length < end) return;
      if (first.length < end) this.#join();
      const whole = this.#chunks[0] ?? first;
      this.#chunks[0] = whole.subarray(end);
      this.#length -= end;
      yield { type: whole.readUInt8(4), body: whole.subarray(5, end) };
    }
  }

  #join(): void {
    this.#chunks = [Buffer.concat(this.#chunks)];
  }
}
