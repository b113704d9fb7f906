import { openSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { type Flusher, GroupFlush } from './flusher.ts';
import type { Frame } from './frames.ts';

const recordBytes = 36;

/** Metadata of operations with a chained checksum; appended once a turn, before what it tells of is done. */
export class Log {
  readonly #fd: number;
  readonly #flush: GroupFlush;
  #records: Buffer = Buffer.allocUnsafe(64 * 1024);
  #filled = 0;
  #chain = 0;
  #sequence = 0;

  constructor(path: string, flusher: Flusher) {
    this.#fd = openSync(path, 'a');
    this.#flush = new GroupFlush(() => flusher.flush(this.#fd, 'log'));
  }

  add({ kind, handle, number, length, payload }: Frame): void {
    const path = kind === 1 ? null : payload;
    const bytes = recordBytes + (path?.length ?? 0);
    if (this.#filled + bytes > this.#records.length) this.write();
    const at = this.#filled;
    this.#sequence += 1;
    this.#records.writeUInt32BE(bytes, at);
    this.#records.writeDoubleBE(this.#sequence, at + 8);
    this.#records.writeUInt32BE(kind, at + 16);
    this.#records.writeUInt32BE(handle, at + 20);
    this.#records.writeDoubleBE(number, at + 24);
    this.#records.writeUInt32BE(length, at + 32);
    path?.copy(this.#records, at + recordBytes);
    this.#filled += bytes;
  }

  /** The batch: one checksum over it and the one before. */
  write(): void {
    if (this.#filled === 0) return;
    this.#chain = crc32(this.#records.subarray(0, this.#filled), this.#chain);
    this.#records.writeUInt32BE(this.#chain, 4);
    writeSync(this.#fd, this.#records, 0, this.#filled);
    this.#filled = 0;
  }

  flush(): Promise<void> {
    this.write();
    return this.#flush.flush();
  }
}
