const forgetAfterMs = 7 * 24 * 3_600_000;
/** The one that logged in longest ago is forgotten first. */
const maxSources = 10_000;

/** Sources from which somebody logged in lately: partners, for whom places are kept. */
export class KnownSources {
  readonly #now: () => number;
  readonly #lastLogins = new Map<string, number>();

  /** @param now boot time, milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  loggedIn(source: string): void {
    this.#lastLogins.delete(source);
    this.#lastLogins.set(source, this.#now());
    const oldest = this.#lastLogins.keys().next();
    if (this.#lastLogins.size > maxSources && !oldest.done) this.#lastLogins.delete(oldest.value);
  }

  has(source: string): boolean {
    const lastMs = this.#lastLogins.get(source);
    return lastMs !== undefined && this.#now() - lastMs < forgetAfterMs;
  }
}
