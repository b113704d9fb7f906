import { setTimeout as delay } from 'node:timers/promises';
import type { HealthFact } from '../runtime/ports.ts';
import { type Check, look, overdueAfterMs, overdueFact, pendingFacts } from './check.ts';

/** The time until a look is overdue is counted in so many parts. */
const parts = 5;

/**
 * Looks at one thing again and again, whatever becomes of the looks at others. A look that hangs, as at a file system
 * that stands still, is overdue after a while, and no other is begun on top of it: it holds one thread at most.
 */
export class CheckLoop {
  readonly #check: Check;
  readonly #onLooked: () => void;
  #facts: readonly HealthFact[];

  constructor(check: Check, onLooked: () => void) {
    this.#check = check;
    this.#onLooked = onLooked;
    this.#facts = pendingFacts(check);
  }

  get facts(): readonly HealthFact[] {
    return this.#facts;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const callOff = afterParts(() => this.#tell([overdueFact(this.#check)]));
      const facts = await look(this.#check);
      callOff();
      if (!signal.aborted) this.#tell(facts);
      await delay(this.#check.everyMs, undefined, { signal }).catch(() => {});
    }
  }

  #tell(facts: readonly HealthFact[]): void {
    this.#facts = facts;
    this.#onLooked();
  }
}

/**
 * Counts in parts, each from when the one before was noticed: a process that stood still itself for so long has noticed
 * one, and judges nobody by its own lateness. @returns calls it off
 */
export function afterParts(run: () => void, totalMs = overdueAfterMs): () => void {
  let noticed = 0;
  const timer = setInterval(() => {
    noticed += 1;
    if (noticed < parts) return;
    clearInterval(timer);
    run();
  }, totalMs / parts).unref();
  return () => clearInterval(timer);
}
