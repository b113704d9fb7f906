import { messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import type { ClusterView, Leader } from '../core/records/records.ts';
import { pause } from './pause.ts';
import type { ClusterStore, Timers } from './ports.ts';
import { saidByLeaseLoop, TroubleLog } from './trouble-log.ts';

/** Several changes come at once, and three watches tell each of them: one read for all that come within this time. */
const restMs = 100;

/**
 * Reads the cluster state in a loop, and at once when a watch says that something changed. What a
 * watch misses is found by the next read.
 */
export class ClusterReader {
  readonly #store: ClusterStore;
  readonly #timers: Timers;
  readonly #everyMs: number;
  readonly #onView: (view: ClusterView) => void;
  readonly #onLeader: (leader: Leader | null, revision: number) => void;
  readonly #log: Logger;
  readonly #trouble: TroubleLog;
  #reading = false;
  #again = false;
  #resting = false;
  #againAfterRest = false;
  #problems = '';

  constructor(options: {
    store: ClusterStore;
    timers: Timers;
    everyMs: number;
    onView: (view: ClusterView) => void;
    /** The watch told of the leader key: known a read earlier than by the view. */
    onLeader: (leader: Leader | null, revision: number) => void;
    log: Logger;
  }) {
    this.#store = options.store;
    this.#timers = options.timers;
    this.#everyMs = options.everyMs;
    this.#onView = options.onView;
    this.#onLeader = options.onLeader;
    this.#log = options.log;
    this.#trouble = new TroubleLog(options.log, saidByLeaseLoop);
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#store.watch({ onChange: () => this.#readAfterRest(), onLeader: this.#onLeader });
    while (!signal.aborted) {
      this.readSoon();
      await pause(this.#timers, this.#everyMs, signal);
    }
  }

  /** The leader key itself is told by the watch; the rest may wait for a moment. */
  #readAfterRest(): void {
    if (this.#resting) {
      this.#againAfterRest = true;
      return;
    }
    this.#resting = true;
    this.readSoon();
    this.#timers.after(restMs, () => {
      this.#resting = false;
      if (this.#againAfterRest) this.#readAfterRest();
    });
    this.#againAfterRest = false;
  }

  /** One read at a time; what is asked for meanwhile becomes one more read after it. */
  readSoon(): void {
    if (this.#reading) this.#again = true;
    else void this.#read();
  }

  async #read(): Promise<void> {
    this.#reading = true;
    do {
      this.#again = false;
      try {
        const view = await this.#store.read();
        this.#trouble.succeeded('the cluster state can be read again');
        this.#reportProblems(view);
        this.#onView(view);
      } catch (error) {
        // Who may not read may have a lease all the same.
        this.#trouble.failed(error);
        this.#log.debug({ reason: messageOf(error) }, 'the cluster state could not be read');
      }
    } while (this.#again);
    this.#reading = false;
  }

  #reportProblems(view: ClusterView): void {
    const told = JSON.stringify(view.problems);
    if (told === this.#problems) return;
    this.#problems = told;
    for (const { key, what } of view.problems) {
      this.#log.error(
        { code: 'ETCD_VALUE_INVALID', key },
        `the etcd key ${key} holds what Holdfast did not write: ${what}`,
      );
    }
  }
}
