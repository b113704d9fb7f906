import type { Refusal } from './connection-places.ts';
import type { Logger } from './log.ts';

const everyMs = 60_000;
/** Sources counted apart in one period; a flood from more of them is counted without names. */
const maxSources = 1000;

/** Counts connections that got no place, and says so in the log at the first and then once a period. */
export class DroppedConnections {
  readonly #log: Logger;
  readonly #everyMs: number;
  #byReason = new Map<Refusal, number>();
  #bySource = new Map<string, number>();
  #quiet: NodeJS.Timeout | null = null;
  total = 0;

  constructor(log: Logger, periodMs = everyMs) {
    this.#log = log;
    this.#everyMs = periodMs;
  }

  add(source: string, reason: Refusal): void {
    this.total += 1;
    this.#byReason.set(reason, (this.#byReason.get(reason) ?? 0) + 1);
    const known = this.#bySource.get(source);
    if (known !== undefined || this.#bySource.size < maxSources) this.#bySource.set(source, (known ?? 0) + 1);
    if (this.#quiet === null) this.#report();
  }

  #report(): void {
    if (this.#byReason.size > 0) {
      const [busiest] = [...this.#bySource].sort(([, a], [, b]) => b - a);
      this.#log.warn(
        {
          code: 'CONNECTIONS_DROPPED',
          dropped: Object.fromEntries(this.#byReason),
          sources: this.#bySource.size,
          busiest: busiest?.[0],
        },
        'connections that had not logged in took too many places: newcomers were dropped',
      );
      this.#quiet = setTimeout(() => {
        this.#quiet = null;
        this.#report();
      }, this.#everyMs);
      this.#quiet.unref();
    }
    this.#byReason = new Map();
    this.#bySource = new Map();
  }
}
