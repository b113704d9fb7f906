import type { HealthFact } from '../runtime/ports.ts';

/** A stall counts for so long. */
const countsMs = 60_000;
/** Beyond that people should know: half of the time that a lease leaves to a host by default. */
const warnMs = 1000;

export const processNames = ['supervisor', 'sftp-node', 'replicator'] as const;
export type ProcessName = (typeof processNames)[number];

/** How late the processes of this host were: the longest time for which each stood still, of the last minute. */
export class Lateness {
  readonly #now: () => number;
  #stalls: { readonly process: ProcessName; readonly byMs: number; readonly atMs: number }[] = [];

  /** @param now boot time, milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** A stall is over. */
  add(process: ProcessName, byMs: number): void {
    const atMs = this.#now();
    // A shorter one that came before says nothing any more.
    this.#stalls = this.#recent().filter((stall) => stall.process !== process || stall.byMs > byMs);
    this.#stalls.push({ process, byMs, atMs });
  }

  worstMs(process: ProcessName): number {
    return Math.max(0, ...this.#recent().map((stall) => (stall.process === process ? stall.byMs : 0)));
  }

  get facts(): HealthFact[] {
    return processNames
      .filter((process) => this.worstMs(process) >= warnMs)
      .map((process) => ({
        name: `${process} loop`,
        level: 'warn',
        code: 'PROCESS_LATE',
        detail: `stood still for ${(this.worstMs(process) / 1000).toFixed(1)} s within the last minute`,
      }));
  }

  #recent() {
    const now = this.#now();
    return this.#stalls.filter(({ atMs }) => now - atMs < countsMs);
  }
}
