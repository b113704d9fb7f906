/** The runtime hands on a TLS record at a time: 16 KiB at most. */
const memoryBytes = 64 * 1024;

/**
 * What comes on a connection, read into memory that is used again: each chunk is good until the listener returns. Memory of
 * its own for each chunk would start a garbage collection every few megabytes.
 */
export class Incoming {
  readonly #memory = Buffer.allocUnsafeSlow(memoryBytes);
  /** What came while nobody listened. */
  readonly #early: Buffer[] = [];
  #listener: ((chunk: Buffer) => void) | null = null;

  /** The option of that name of `net` and `tls`. */
  readonly onread = {
    buffer: this.#memory,
    callback: (bytes: number): boolean => {
      const chunk = this.#memory.subarray(0, bytes);
      if (this.#listener === null) this.#early.push(Buffer.from(chunk));
      else this.#listener(chunk);
      return true;
    },
  };

  /** From now on chunks go to this listener, those first that nobody took: until it is told to `unlisten`. */
  listen(listener: (chunk: Buffer) => void): void {
    this.#listener = listener;
    while (this.#listener !== null) {
      const chunk = this.#early.shift();
      if (chunk === undefined) return;
      this.#listener(chunk);
    }
  }

  /** The listener takes no more; this, of the chunk that it has, it had not needed: it comes before all others. */
  unlisten(rest: Buffer): void {
    this.#listener = null;
    if (rest.length > 0) this.#early.unshift(Buffer.from(rest));
  }
}
