import { createHash } from 'node:crypto';
import { closeSync, read as readLater } from 'node:fs';
import { promisify } from 'node:util';
import type { OpenContent } from '../peers/ports.ts';

const read = promisify(readLater);
const pieceBytes = 256 * 1024;

/** A file that is open for reading, read in libuv's pool. */
export class ContentReader implements OpenContent {
  readonly #fd: number;
  #reads = 0;
  #isClosed = false;

  /** @param fd closed by this object */
  constructor(fd: number) {
    this.#fd = fd;
  }

  async read(from: number, to: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(to - from);
    const bytes = await this.#during(async () => {
      let done = 0;
      while (done < buffer.length) {
        const { bytesRead } = await read(this.#fd, buffer, done, buffer.length - done, from + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return done;
    });
    return buffer.subarray(0, bytes);
  }

  async digest(from: number, to: number): Promise<{ bytes: number; digest: Buffer }> {
    const hash = createHash('sha256');
    let at = from;
    while (at < to) {
      const piece = await this.read(at, Math.min(at + pieceBytes, to));
      if (piece.length === 0) break;
      hash.update(piece);
      at += piece.length;
    }
    return { bytes: at - from, digest: hash.digest() };
  }

  /** Once no read is under way. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#reads === 0) closeSync(this.#fd);
  }

  async #during<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#reads += 1;
    try {
      return await work();
    } finally {
      this.#reads -= 1;
      if (this.#isClosed && this.#reads === 0) closeSync(this.#fd);
    }
  }
}
