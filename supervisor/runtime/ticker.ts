import type { Clock, Timers } from './ports.ts';

/** A tick that comes so much later than it should is a stall. */
const lateMs = 200;

/**
 * Gives the ticks by which deadlines are judged. After a stall, timers are due before what came meanwhile has been read:
 * a renewal of the lease, a word of the SFTP node. A late tick is given after a full poll, so that nobody is judged for
 * what lies there unread. This extends nothing: the gate and the address end by themselves, at times that they were
 * given before.
 */
export class Ticker {
  readonly #everyMs: number;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #tick: () => void;
  #lastMs: number;
  #isWaiting = false;

  constructor(options: { everyMs: number; clock: Clock; timers: Timers; tick: () => void }) {
    this.#everyMs = options.everyMs;
    this.#clock = options.clock;
    this.#timers = options.timers;
    this.#tick = options.tick;
    this.#lastMs = options.clock.bootTimeMs();
  }

  /** Called by a timer. */
  tick(): void {
    if (this.#isWaiting) return;
    const nowMs = this.#clock.bootTimeMs();
    const isLate = nowMs - this.#lastMs > this.#everyMs + lateMs;
    this.#lastMs = nowMs;
    if (isLate) this.#tickAfterPoll();
    else this.#tick();
  }

  #tickAfterPoll(): void {
    this.#isWaiting = true;
    this.#timers.afterFullPoll(() => {
      this.#isWaiting = false;
      this.#lastMs = this.#clock.bootTimeMs();
      this.#tick();
    });
  }
}
