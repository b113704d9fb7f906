/** Counts the bytes of WRITEs that are settled, in the order in which they came: what `acknowledged` says. */
export class WrittenBytes {
  readonly #onSettled: (bytes: number) => void;
  #waiting: { readonly bytes: number; settled: boolean }[] = [];
  #first = 0;
  #settledBytes = 0;

  /** @param onSettled told of each WRITE in its turn */
  constructor(onSettled: (bytes: number) => void) {
    this.#onSettled = onSettled;
  }

  /** Since the session began; of a WRITE before which another is not settled, not yet. */
  get settledBytes(): number {
    return this.#settledBytes;
  }

  /** WRITEs that are not settled, or behind one that is not. */
  get size(): number {
    return this.#waiting.length - this.#first;
  }

  /** @returns settles it; false when it was settled already */
  add(bytes: number): () => boolean {
    const write = { bytes, settled: false };
    this.#waiting.push(write);
    return () => {
      if (write.settled) return false;
      write.settled = true;
      this.#advance();
      return true;
    };
  }

  #advance(): void {
    for (;;) {
      const write = this.#waiting[this.#first];
      if (write?.settled !== true) break;
      this.#first += 1;
      this.#settledBytes += write.bytes;
      this.#onSettled(write.bytes);
    }
    if (this.#first === this.#waiting.length || this.#first >= 256) {
      this.#waiting = this.#waiting.slice(this.#first);
      this.#first = 0;
    }
  }
}
