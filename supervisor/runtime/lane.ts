import { codeOf, messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';

/** One carrying out of an order. */
export interface Attempt {
  /** It took too long: what comes of it now must change nothing. */
  readonly isOverdue: boolean;
}

export interface Task {
  /** Two orders with the same key want the same. */
  readonly key: string;
  /** False: it is under way and worth another look soon. */
  readonly run: (attempt: Attempt) => Promise<boolean> | Promise<void> | void;
  /** Told when it has not ended within the limit of the lane. */
  readonly onOverdue?: (sentence: string) => void;
  /** How long after a success the same order is carried out again; Infinity: once is enough. */
  readonly repeatAfterMs: number;
}

/** How long after a failure the same order is tried again. */
const retryAfterMs = 250;
/** How long after an order that is still under way it is looked at again. */
const lookAgainAfterMs = 50;

/**
 * How long an order may take. All that orders call has bounds of its own, which are shorter (the longest: a command of
 * a virtual IP, 8 s, that is ended, and then another of the same): one that takes longer hangs, and would hold up
 * everything about its thing for ever.
 */
const limitMs = 20_000;
/** More are not begun while so many that were overdue have not ended: each may hold a process or a thread. */
const maxHanging = 3;

interface Running extends Attempt {
  readonly task: Task;
  readonly sinceMs: number;
  isOverdue: boolean;
}

/**
 * Carries out the orders about one thing, one at a time: the latest wins, one that is already done is not done again,
 * one that failed is tried again for as long as it is wanted. One that hangs has failed. Somebody has to say regularly
 * what is wanted: there are no timers here.
 */
export class Lane {
  readonly #name: string;
  readonly #log: Logger;
  readonly #now: () => number;
  #running: Running | null = null;
  #hanging = 0;
  #next: Task | null = null;
  #done: { key: string; notBeforeMs: number } | null = null;

  constructor(name: string, log: Logger, now: () => number) {
    this.#name = name;
    this.#log = log;
    this.#now = now;
  }

  /** null: nothing is wanted, and what was done counts no more. */
  want(task: Task | null): void {
    this.#giveUpWhatHangs();

    if (task === null) {
      this.#next = null;
      this.#done = null;
    } else if (this.#running !== null) {
      this.#next = task.key === this.#running.task.key ? null : task;
    } else if (this.#done?.key !== task.key || this.#now() >= this.#done.notBeforeMs) {
      if (this.#hanging < maxHanging) void this.#carryOut(task);
    }
  }

  #giveUpWhatHangs(): void {
    const running = this.#running;
    if (running === null || this.#now() - running.sinceMs < limitMs) return;
    running.isOverdue = true;
    this.#hanging += 1;
    this.#running = null;
    this.#done = { key: running.task.key, notBeforeMs: this.#now() + retryAfterMs };
    const sentence = `the order "${this.#name}" did not end within ${limitMs / 1000} s`;
    this.#log.error({ code: 'ORDER_OVERDUE', order: this.#name }, sentence);
    running.task.onOverdue?.(sentence);
  }

  async #carryOut(task: Task): Promise<void> {
    const running: Running = { task, sinceMs: this.#now(), isOverdue: false };
    this.#running = running;
    let pauseMs = task.repeatAfterMs;
    try {
      if ((await task.run(running)) === false) pauseMs = lookAgainAfterMs;
    } catch (error) {
      pauseMs = retryAfterMs;
      this.#log.warn(
        { order: this.#name, code: codeOf(error), reason: messageOf(error) },
        'an order failed and is tried again',
      );
    }
    if (running.isOverdue) {
      this.#hanging -= 1;
      return;
    }
    this.#running = null;
    this.#done = { key: task.key, notBeforeMs: this.#now() + pauseMs };
    const next = this.#next;
    this.#next = null;
    if (next !== null) this.want(next);
  }
}
