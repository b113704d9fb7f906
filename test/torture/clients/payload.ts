import type { Random } from '../../sim/timeline.ts';

const poolBytes = 2 ** 20;
const stampEvery = 4096;

/** Bytes that tell where they came from: no two payloads are alike, and none has a zero, which is what a hole reads as. */
export class Payloads {
  readonly #pool = Buffer.alloc(2 * poolBytes);
  readonly #client: number;
  #made = 0;

  constructor(random: Random, client: number) {
    for (let at = 0; at < this.#pool.length; at++) this.#pool[at] = 1 + Math.floor(random.next() * 255);
    this.#client = client;
  }

  make(random: Random, bytes: number): Buffer {
    this.#made += 1;
    const from = Math.floor(random.next() * poolBytes);
    const payload = Buffer.from(this.#pool.subarray(from, from + bytes));
    for (let at = 0; at + 12 <= bytes; at += stampEvery) {
      payload.write(
        `${String(this.#client).padStart(3, '#')}.${this.#made.toString(36).padStart(8, '.')}`,
        at,
        'latin1',
      );
    }
    return payload;
  }
}
