import { setTimeout as delay, setImmediate as others } from 'node:timers/promises';

const sliceMs = 10;
export const restMs = 40;

/**
 * Has work of any length leave the disk and the processor to others four fifths of the time, and lets its own thread
 * answer what it is asked.
 */
export class Pace {
  readonly #now: () => number;
  readonly #restMs: () => number;
  #sliceEndsMs: number;

  /**
   * @param now elapsed milliseconds
   * @param rest how long it rests, in milliseconds; 0 when the work is urgent
   */
  constructor(now: () => number, rest: () => number = () => restMs) {
    this.#now = now;
    this.#restMs = rest;
    this.#sliceEndsMs = now() + sliceMs;
  }

  /** To be awaited between two small pieces of work. */
  async breathe(): Promise<void> {
    if (this.#now() < this.#sliceEndsMs) return;
    const ms = this.#restMs();
    if (ms > 0) await delay(ms);
    else await others();
    this.#sliceEndsMs = this.#now() + sliceMs;
  }
}
