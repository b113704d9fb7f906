/**
 * One flush at a time. Whoever asks while one runs waits for the next, which begins when this one ends and covers all
 * that was written until then. After a failed one each further one fails with the same error: the kernel marks pages
 * clean that it could not write, so that trying again would succeed and mean nothing (P6).
 */
export class GroupCommit<Result> {
  readonly #flush: () => Promise<Result>;
  #running: Promise<Result> | null = null;
  #next: Promise<Result> | null = null;
  #failure: { readonly error: unknown } | null = null;

  /** @param flush begins with what is written when it is called */
  constructor(flush: () => Promise<Result>) {
    this.#flush = flush;
  }

  get failure(): { readonly error: unknown } | null {
    return this.#failure;
  }

  /** Whatever was written before this call is durable when it resolves. */
  run(): Promise<Result> {
    if (this.#next !== null) return this.#next;
    if (this.#running === null) return this.#start();
    this.#next = this.#running.then(
      () => this.#start(),
      () => this.#start(),
    );
    return this.#next;
  }

  #start(): Promise<Result> {
    this.#next = null;
    if (this.#failure !== null) return Promise.reject(this.#failure.error);
    const running = this.#flush()
      .catch((error: unknown) => {
        this.#failure = { error };
        throw error;
      })
      .finally(() => {
        if (this.#running === running) this.#running = null;
      });
    this.#running = running;
    return running;
  }
}
