/** Counts what stands still, for clients that have to know when nothing of theirs is still under way. */
export class Thaw {
  #frozen = 0;
  #waiting: (() => void)[] = [];

  async during(work: () => Promise<void>): Promise<void> {
    this.#frozen += 1;
    try {
      await work();
    } finally {
      this.#frozen -= 1;
      if (this.#frozen === 0) for (const resolve of this.#waiting.splice(0)) resolve();
    }
  }

  /** Resolves when nothing stands still. */
  async over(): Promise<void> {
    if (this.#frozen > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
