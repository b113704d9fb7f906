/** Failed logins from one address that are taken in a window before it is refused for the rest of it. */
const maxFailures = 30;
const windowMs = 60_000;
/** Addresses remembered at once; the oldest are forgotten, so that a flood does not fill the memory. */
const maxAddresses = 10_000;

/** Counts failed logins per client address: a brake on guessing. */
export class FailureCounter {
  readonly #now: () => number;
  readonly #failures = new Map<string, { count: number; sinceMs: number }>();

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  isRefused(address: string): boolean {
    const entry = this.#current(address);
    return entry !== undefined && entry.count >= maxFailures;
  }

  failed(address: string): void {
    const entry = this.#current(address) ?? { count: 0, sinceMs: this.#now() };
    this.#failures.delete(address);
    this.#failures.set(address, { ...entry, count: entry.count + 1 });
    const oldest = this.#failures.keys().next();
    if (this.#failures.size > maxAddresses && !oldest.done) this.#failures.delete(oldest.value);
  }

  #current(address: string) {
    const entry = this.#failures.get(address);
    return entry !== undefined && this.#now() - entry.sinceMs < windowMs ? entry : undefined;
  }
}
