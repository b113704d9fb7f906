import { setTimeout as delay } from 'node:timers/promises';
import { answersWithBanner } from '../health/checks/banner.ts';

const everyMs = 10;
const patienceMs = 250;
const soonMs = 1000;

/**
 * Tries, as a client would, whether an SSH server answers at an address, every 10 ms and without a login: how long it
 * did not is the outage as seen from this host.
 */
export class BannerWatch {
  readonly #address: string;
  readonly #port: number;
  #lastMs: number | null = null;
  #longestMs = 0;
  #hasAnsweredSoon = false;
  #over = false;
  #running: Promise<void> | null = null;

  constructor(address: string, port: number) {
    this.#address = address;
    this.#port = port;
  }

  start(): void {
    this.#running = this.#run();
  }

  /**
   * Waits until it answers again, or for `limitMs`.
   * @returns the longest silence in ms; null when it did not answer within the first second: it began before the watch
   */
  async end(limitMs: number): Promise<number | null> {
    const endsMs = performance.now() + limitMs;
    const askedMs = performance.now();
    while ((this.#lastMs ?? 0) < askedMs && performance.now() < endsMs) await delay(everyMs);
    this.#over = true;
    await this.#running;
    return this.#hasAnsweredSoon ? this.#longestMs : null;
  }

  async #run(): Promise<void> {
    const watchedFromMs = performance.now();
    while (!this.#over) {
      const startedMs = performance.now();
      if (await answersWithBanner(this.#address, this.#port, patienceMs)) {
        const nowMs = performance.now();
        this.#hasAnsweredSoon ||= nowMs - watchedFromMs < soonMs;
        if (this.#lastMs !== null) this.#longestMs = Math.max(this.#longestMs, nowMs - this.#lastMs);
        this.#lastMs = nowMs;
      }
      await delay(Math.max(0, everyMs - (performance.now() - startedMs)));
    }
  }
}
