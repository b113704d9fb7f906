import { messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import type { RoleState } from '../core/leadership/state.ts';
import type { EtcdPlacement, Timers } from '../runtime/ports.ts';

/** Not at once: a host that has just taken over has other things to do, and its etcd member may be unwell. */
const firstAfterMs = 5000;
/** Two clusters that share their etcd may each want its leadership elsewhere: this bounds how often it moves. */
const everyMs = 60_000;

/** While this host leads, has etcd led from elsewhere. What fails here costs time at a failover, nothing else. */
export class EtcdPlacementObserver {
  readonly #placement: EtcdPlacement | null;
  readonly #log: Logger;
  readonly #timers: Timers;
  #callOff: (() => void) | null = null;

  constructor(placement: EtcdPlacement | null, timers: Timers, log: Logger) {
    this.#timers = timers;
    this.#placement = placement;
    this.#log = log;
  }

  onDecision({ phase }: RoleState): void {
    const isLeading = phase.name === 'leading';
    if (isLeading && this.#callOff === null) this.#after(firstAfterMs);
    if (isLeading || this.#callOff === null) return;
    this.#callOff();
    this.#callOff = null;
  }

  #after(ms: number): void {
    this.#callOff = this.#timers.after(ms, () => {
      this.#after(everyMs);
      void this.#move();
    });
  }

  async #move(): Promise<void> {
    try {
      const moved = (await this.#placement?.leaveThisHost()) ?? null;
      if (moved !== null) this.#log.info({ to: moved }, 'etcd is led from another host now');
    } catch (error) {
      this.#log.debug({ reason: messageOf(error) }, 'the leadership of etcd could not be moved');
    }
  }
}
