import { codeOf, messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import { epochOf, type RoleState } from '../core/leadership/state.ts';
import type { Observation } from '../runtime/observation.ts';
import type { Watchdog } from '../runtime/ports.ts';

/**
 * Feeds the machine's watchdog while this host leads, and only for as long as the lease lasts: whatever stands still
 * or cannot be taken off, the machine is reset before another host may lead. (Feeding at `at` keeps it alive until
 * `at + resetsWithinMs`.) It is stopped when this host is a standby again: everything is off then.
 */
export class WatchdogFeeder {
  readonly #watchdog: Watchdog | null;
  readonly #isRequired: boolean;
  readonly #observe: (observation: Observation) => void;
  readonly #log: Logger;
  /** The leadership for which it was armed, or could not be. */
  #epoch = 0;
  #isArmed = false;

  /** @param watchdog null: there is none to be used */
  constructor(options: {
    watchdog: Watchdog | null;
    isRequired: boolean;
    observe: (observation: Observation) => void;
    log: Logger;
  }) {
    this.#watchdog = options.watchdog;
    this.#isRequired = options.isRequired;
    this.#observe = options.observe;
    this.#log = options.log;
  }

  /** Called with each decision before its orders are carried out. */
  onDecision({ phase, lease }: RoleState, atMs: number): void {
    const watchdog = this.#watchdog;
    if (watchdog === null) return;
    if (phase.name === 'standby' || phase.name === 'stopped') {
      if (this.#isArmed) watchdog.disarm();
      this.#isArmed = false;
      this.#epoch = 0;
      return;
    }
    if (!this.#isArmed && this.#epoch !== epochOf(phase)) this.#arm(watchdog, epochOf(phase));
    else if (this.#isArmed && lease !== null && lease.endsAtMs - atMs >= watchdog.resetsWithinMs)
      watchdog.feed();
  }

  #arm(watchdog: Watchdog, epoch: number): void {
    this.#epoch = epoch;
    try {
      watchdog.arm();
      this.#isArmed = true;
      this.#log.info({ epoch, timeoutMs: watchdog.timeoutMs }, 'the watchdog of this machine is armed');
    } catch (error) {
      const cause = { code: codeOf(error), sentence: messageOf(error) };
      this.#log.warn({ epoch, code: cause.code }, cause.sentence);
      if (this.#isRequired) queueMicrotask(() => this.#observe({ type: 'watchdog-failed', epoch, cause }));
    }
  }
}
