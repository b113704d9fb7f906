import { codeOf, messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';

export interface Task {
  /** Two orders with the same key want the same. */
  readonly key: string;
  /** False: it is under way and worth another look soon. */
  readonly run: () => Promise<boolean> | Promise<void> | void;
  /** How long after a success the same order is carried out again; Infinity: once is enough. */
  readonly repeatAfterMs: number;
}

/** How long after a failure the same order is tried again. */
const retryAfterMs = 250;
/** How long after an order that is still under way it is looked at again. */
const lookAgainAfterMs = 50;

/**
 * Carries out the orders about one thing, one at a time: the latest wins, one that is already done is not done again,
 * one that failed is tried again for as long as it is wanted.
 */
export class Lane {
  readonly #name: string;
  readonly #log: Logger;
  readonly #now: () => number;
  #running: string | null = null;
  #next: Task | null = null;
  #done: { key: string; notBeforeMs: number } | null = null;

  constructor(name: string, log: Logger, now: () => number) {
    this.#name = name;
    this.#log = log;
    this.#now = now;
  }

  /** null: nothing is wanted, and what was done counts no more. */
  want(task: Task | null): void {
    if (task === null) {
      this.#next = null;
      this.#done = null;
    } else if (this.#running !== null) {
      this.#next = task.key === this.#running ? null : task;
    } else if (this.#done?.key !== task.key || this.#now() >= this.#done.notBeforeMs) {
      void this.#carryOut(task);
    }
  }

  async #carryOut(task: Task): Promise<void> {
    this.#running = task.key;
    let pauseMs = task.repeatAfterMs;
    try {
      if ((await task.run()) === false) pauseMs = lookAgainAfterMs;
    } catch (error) {
      pauseMs = retryAfterMs;
      this.#log.warn(
        { order: this.#name, code: codeOf(error), reason: messageOf(error) },
        'an order failed and is tried again',
      );
    }
    this.#running = null;
    this.#done = { key: task.key, notBeforeMs: this.#now() + pauseMs };
    const next = this.#next;
    this.#next = null;
    if (next !== null) this.want(next);
  }
}
