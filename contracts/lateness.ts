import * as z from 'zod';
import { bootTimeMs } from './boot-time.ts';

/**
 * A process that stood still (a synchronous disk call, a starved or suspended host) finds its timers due before it has
 * read what came meanwhile. Who judges others by a deadline then takes its own lateness for theirs: a permit or an
 * acknowledgement that is there already counts as missing. So others are judged by attended time, after a full poll.
 */

/**
 * Calls `run` when all I/O that was waiting now has been handled. Two turns: called out of an I/O callback, the first
 * ends a poll that may have begun before what came since.
 * @returns calls it off
 */
export function afterFullPoll(run: () => void): () => void {
  let immediate = setImmediate(() => {
    immediate = setImmediate(run);
  });
  return () => clearImmediate(immediate);
}

/**
 * Judges somebody else when `ms` have passed, and what lay unread then has been read.
 * @returns calls it off
 */
export function deadline(ms: number, judge: () => void): () => void {
  let cancel = () => {};
  const timer = setTimeout(() => {
    cancel = afterFullPoll(judge);
  }, ms);
  return () => {
    clearTimeout(timer);
    cancel();
  };
}

const beatMs = 100;
/** Timers of a busy process that is well are no later than that. */
const slackMs = 150;

/**
 * Measures how late the event loop of this process is, and keeps attended time: boot time without the time in which the
 * loop stood still. A stall of any length counts as at most `beatMs + slackMs` of it.
 */
export class LoopWatch {
  readonly #now: () => number;
  readonly #onLate: (byMs: number) => void;
  #beatAtMs: number;
  #attendedMs: number;

  /** @param onLate told of each stall when it is over */
  constructor({
    now = bootTimeMs,
    onLate = () => {},
  }: { now?: () => number; onLate?: (byMs: number) => void } = {}) {
    this.#now = now;
    this.#onLate = onLate;
    this.#beatAtMs = now();
    this.#attendedMs = this.#beatAtMs;
  }

  /** Watches until the process ends. */
  start(): this {
    setInterval(() => this.beat(), beatMs).unref();
    return this;
  }

  /** Called every `beatMs`, as far as the loop is punctual. */
  beat(): void {
    const atMs = this.#now();
    const lateMs = atMs - this.#beatAtMs - beatMs;
    this.#attendedMs = this.attendedMs();
    this.#beatAtMs = atMs;
    if (lateMs > slackMs) this.#onLate(lateMs);
  }

  /** Right also in the turn that ends a stall, before the late beat. */
  attendedMs(): number {
    return this.#attendedMs + Math.min(this.#now() - this.#beatAtMs, beatMs + slackMs);
  }
}

/** A child tells its supervisor of a stall of its own when it is over. */
export const lateMessageSchema = z.object({ type: z.literal('late'), byMs: z.number().nonnegative() });
