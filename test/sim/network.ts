import { HoldfastError } from '#contracts/errors.ts';
import type { Random, Timeline } from './timeline.ts';

/** Delays, and one-way losses. A place is a host id or `etcd`. */
export class Network {
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #cut = new Set<string>();
  /** Extra time that answers of etcd to a host take; watches are not slowed, as they come from another member. */
  readonly answersSlow = new Map<string, number>();

  constructor(timeline: Timeline, random: Random) {
    this.#timeline = timeline;
    this.#random = random;
  }

  cut(from: string, to: string): void {
    this.#cut.add(`${from}>${to}`);
  }

  heal(from: string, to: string): void {
    this.#cut.delete(`${from}>${to}`);
  }

  passes(from: string, to: string): boolean {
    return !this.#cut.has(`${from}>${to}`);
  }

  /** Delivers after a delay, or never. */
  send(from: string, to: string, deliver: () => void): void {
    const delay = this.#random.chance(0.02) ? this.#random.between(5, 900) : this.#random.between(0.2, 5);
    this.#timeline.after(delay, () => {
      if (this.passes(from, to)) deliver();
    });
  }

  /**
   * A request to etcd: rejects when no answer came within the budget, though it may have been carried out. Now and then
   * it is carried out twice, as when a member was slow and another was asked as well: the last answer may come first.
   */
  ask<Answer>(from: string, slowMs: () => number, budgetMs: number, serve: () => Answer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#timeline.after(budgetMs, () => reject(new HoldfastError('ETCD_UNREACHABLE', 'no answer')));
      const once = () =>
        this.send(from, 'etcd', () =>
          this.#timeline.after(slowMs(), () => {
            try {
              const answer = serve();
              const lateMs = this.answersSlow.get(from) ?? 0;
              this.#timeline.after(lateMs, () => this.send('etcd', from, () => resolve(answer)));
            } catch (error) {
              this.send('etcd', from, () => reject(error));
            }
          }),
        );
      once();
      if (this.#random.chance(0.03)) once();
      // And some arrive when nobody waits any more: the kernel, or a member that was stopped, sends them on.
      if (this.#random.chance(0.01)) this.#timeline.after(this.#random.between(500, 8000), once);
    });
  }
}
