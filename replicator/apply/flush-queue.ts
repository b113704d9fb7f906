interface Waiting {
  readonly isLarge: boolean;
  readonly start: () => void;
}

/**
 * Runs flushes, at most `limit` at a time, in the order in which they were asked for; the pool of threads behind them is
 * shared with everything else in the process. Large ones leave one place free, so that a small flush never waits for
 * gigabytes of another client. (With a limit of one there is no such place.)
 */
export class FlushQueue {
  readonly #limit: number;
  readonly #waiting: Waiting[] = [];
  #running = 0;
  #large = 0;

  constructor(limit: number) {
    if (!Number.isInteger(limit) || limit < 1) throw new RangeError(`${limit} flushes at a time`);
    this.#limit = limit;
  }

  /** Resolves or rejects with what `work` does. */
  run(isLarge: boolean, work: () => Promise<void>): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const start = () => {
      this.#count(isLarge, 1);
      work()
        .then(resolve, reject)
        .finally(() => {
          this.#count(isLarge, -1);
          this.#startNext();
        });
    };
    this.#waiting.push({ isLarge, start });
    this.#startNext();
    return promise;
  }

  #startNext(): void {
    while (this.#running < this.#limit) {
      const next = this.#waiting.findIndex(({ isLarge }) => !isLarge || this.#hasRoomForLarge);
      if (next < 0) return;
      for (const { start } of this.#waiting.splice(next, 1)) start();
    }
  }

  get #hasRoomForLarge(): boolean {
    return this.#large < Math.max(1, this.#limit - 1);
  }

  #count(isLarge: boolean, by: 1 | -1): void {
    this.#running += by;
    if (isLarge) this.#large += by;
  }
}
