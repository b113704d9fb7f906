import type { Logger } from '#contracts/log.ts';
import type { Observation } from './observation.ts';
import { pause } from './pause.ts';
import type { Clock, ClusterStore, Timers } from './ports.ts';
import { TroubleLog } from './trouble-log.ts';

export interface LeaseLoopOptions {
  readonly store: ClusterStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly renewEveryMs: number;
  readonly observe: (observation: Observation) => void;
  /** Told each new lease, so that it can be revoked when this process dies. */
  readonly remember: (leaseId: string) => void;
  readonly log: Logger;
}

/**
 * Keeps this host's lease at etcd: grants one, renews it at our own cadence, grants another when etcd has lost it.
 * Every host has one all the time: the leader key hangs on it, so a claim is one transaction, and it can be moved to
 * the lease of another host.
 */
export class LeaseLoop {
  readonly #options: LeaseLoopOptions;
  readonly #trouble: TroubleLog;
  #leaseId: string | null = null;

  constructor(options: LeaseLoopOptions) {
    this.#options = options;
    this.#trouble = new TroubleLog(options.log);
  }

  get leaseId(): string | null {
    return this.#leaseId;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, timers, renewEveryMs } = this.#options;
    while (!signal.aborted) {
      const startedMs = clock.bootTimeMs();
      await this.#turn();
      const restMs = Math.max(20, renewEveryMs - (clock.bootTimeMs() - startedMs));
      await pause(timers, restMs, signal);
    }
  }

  async #turn(): Promise<void> {
    const { store, observe, remember, log } = this.#options;
    try {
      if (this.#leaseId === null) {
        const granted = await store.grantLease();
        remember(granted.leaseId);
        this.#leaseId = granted.leaseId;
        log.info({ leaseId: granted.leaseId }, 'etcd granted a lease');
        observe({ type: 'lease-renewed', id: granted.leaseId, sentAtMs: granted.sentAtMs });
      } else {
        const id = this.#leaseId;
        const renewed = await store.renewLease(id);
        if (renewed === null) {
          this.#leaseId = null;
          log.warn({ code: 'LEASE_LOST', leaseId: id }, 'etcd has ended the lease of this host');
          observe({ type: 'lease-gone', id });
          await this.#turn();
          return;
        }
        observe({ type: 'lease-renewed', id, sentAtMs: renewed.sentAtMs });
      }
      this.#trouble.succeeded('etcd answers again');
    } catch (error) {
      this.#trouble.failed(error);
    }
  }
}
