/**
 * Up to where a follower is to be asked to flush: the sequence that was asked for first, and one for all that came later. A
 * later one never puts off the first, which may be what somebody waits for.
 */
export class FlushRequests {
  #first: number | null = null;
  #last = 0;

  add(sequence: number): void {
    this.#first ??= sequence;
    this.#last = Math.max(sequence, this.#last);
  }

  /** @param cursor behind the records that were sent. @returns what may be asked for now; null: nothing */
  take(cursor: number): number | null {
    if (this.#first === null || this.#first >= cursor) return null;
    const upTo = this.#last < cursor ? this.#last : this.#first;
    this.#first = this.#last > upTo ? this.#last : null;
    return upTo;
  }
}
