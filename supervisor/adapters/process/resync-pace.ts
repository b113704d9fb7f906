import type { Resync } from '#contracts/ipc/replicator.ts';
import type { ResyncReport } from '../../runtime/ports.ts';

/** The pace is that of so much time. */
const windowMs = 10_000;
const leastMs = 1000;

/** From the standing reports of the replicator. */
export class ResyncPace {
  #samples: { readonly atMs: number; readonly bytes: number }[] = [];
  #resync: Resync | null = null;

  observe(resync: Resync | null, atMs: number): void {
    this.#resync = resync;
    const before = this.#samples.at(-1);
    // Another process counts anew.
    if (resync === null || (before !== undefined && resync.comparedBytes < before.bytes)) this.#samples = [];
    if (resync === null) return;
    this.#samples.push({ atMs, bytes: resync.comparedBytes });
    while ((this.#samples[1]?.atMs ?? atMs) <= atMs - windowMs) this.#samples.shift();
  }

  get report(): ResyncReport | null {
    if (this.#resync === null) return null;
    const { uncertainNames, incompleteFiles, missingBytes } = this.#resync;
    const bytesPerSecond = this.#bytesPerSecond;
    const secondsLeft =
      bytesPerSecond === null || bytesPerSecond === 0 ? null : Math.ceil(missingBytes / bytesPerSecond);
    return { uncertainNames, incompleteFiles, missingBytes, bytesPerSecond, secondsLeft };
  }

  get #bytesPerSecond(): number | null {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.atMs - first.atMs < leastMs) return null;
    return Math.round(((last.bytes - first.bytes) * 1000) / (last.atMs - first.atMs));
  }
}
