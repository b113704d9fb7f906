import { messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import type { EtcdPlacement } from './ports.ts';

/** Not at once: a host that has just taken over has other things to do, and its etcd member may be unwell. */
const firstAfterMs = 5000;
/** Two clusters that share their etcd must not play ball with its leadership. */
const everyMs = 60_000;

/** While this host leads, has etcd led from elsewhere. What fails here costs time at a failover, nothing else. */
export class PlacementKeeper {
  readonly #placement: EtcdPlacement | null;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | null = null;

  constructor(placement: EtcdPlacement | null, log: Logger) {
    this.#placement = placement;
    this.#log = log;
  }

  /** Call as often as you like. */
  leading(isLeading: boolean): void {
    if (isLeading && this.#timer === null) this.#after(firstAfterMs);
    if (isLeading || this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  #after(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#after(everyMs);
      void this.#move();
    }, ms).unref();
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
