import { messageOf } from '#contracts/errors.ts';
import type { NodeId } from '#contracts/identities.ts';
import type { Logger } from '#contracts/log.ts';
import type { Cause } from '../core/cause.ts';
import type { RoleState } from '../core/leadership/state.ts';
import type { HistoryRecord } from '../core/records/history.ts';
import type { Clock, ClusterStore } from '../runtime/ports.ts';

/** Decisions come with every tick, many times a second: after a longer gap this process did not run. */
const standstillMs = 1000;
/** The successor writes its record once it serves; one that did not for so long has failed. */
const givenUpAfterMs = 60_000;
const tryEveryMs = 2000;
/** Wall clocks of two hosts may differ by so much. */
const clocksDifferMs = 60_000;

/** What is known of a leadership of this host that another took over without having been told why. */
interface Explanation {
  /** Null: the last one, before this process was started. */
  readonly epoch: number | null;
  readonly cause: (record: HistoryRecord) => Cause;
  readonly sinceMs: number;
}

/**
 * Tells the history afterwards. A successor only sees that a lease ended; whether the host before had died, stood still
 * or was cut off from etcd, that host knows when it is back.
 */
export class HistoryAnnotator {
  readonly #nodeId: NodeId;
  readonly #store: ClusterStore;
  readonly #clock: Clock;
  readonly #log: Logger;
  #explanation: Explanation | null;
  #lastSeenMs: number;
  #stoodStill: { atMs: number; forMs: number } | null = null;
  #notBeforeMs = 0;

  constructor(options: { nodeId: NodeId; store: ClusterStore; clock: Clock; log: Logger }) {
    this.#nodeId = options.nodeId;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#lastSeenMs = options.clock.bootTimeMs();
    this.#explanation = {
      epoch: null,
      cause: (record) => this.#startedAgain(record),
      sinceMs: this.#lastSeenMs,
    };
  }

  /** Called with each decision. `before` is the state that the one at `atMs` came from. */
  onDecision(before: RoleState, state: RoleState, atMs: number): void {
    const gapMs = atMs - this.#lastSeenMs;
    if (gapMs >= standstillMs) this.#stoodStill = { atMs, forMs: gapMs };
    this.#lastSeenMs = atMs;
    if (before.phase.name === 'stepping-down' && state.phase.name === 'standby') {
      const { epoch, cause } = before.phase;
      const lost = cause.code === 'LEASE_LOST' || cause.code === 'LEADERSHIP_LOST';
      if (lost) this.#explanation = { epoch, cause: this.#livedOn(before.phase.sinceMs), sinceMs: atMs };
    }
    const leader = state.cluster?.leader ?? null;
    if (
      this.#explanation === null ||
      leader === null ||
      leader.node === this.#nodeId ||
      atMs < this.#notBeforeMs
    ) {
      return;
    }
    this.#notBeforeMs = atMs + tryEveryMs;
    void this.#tell(this.#explanation, atMs);
  }

  async #tell(explanation: Explanation, atMs: number): Promise<void> {
    try {
      const entries = await this.#store.readHistory();
      const entry = entries.findLast(
        ({ record: { from } }) =>
          from?.node === this.#nodeId && (explanation.epoch === null || from.epoch === explanation.epoch),
      );
      const record = entry?.record;
      if (entry !== undefined && record?.cause.code === 'LEASE_EXPIRED') {
        const cause = explanation.cause(record);
        if (!(await this.#store.writeHistory({ ...record, cause }, entry.modRevision))) return;
        this.#log.info({ epoch: record.epoch, code: cause.code }, `told the history why: ${cause.sentence}`);
      }
      const isTold =
        record !== undefined || explanation.epoch === null || atMs - explanation.sinceMs > givenUpAfterMs;
      if (isTold && this.#explanation === explanation) this.#explanation = null;
    } catch (error) {
      this.#log.debug({ reason: messageOf(error) }, 'the history could not be told');
    }
  }

  #livedOn(lostAtMs: number): () => Cause {
    const still = this.#stoodStill;
    const node = this.#nodeId;
    if (still !== null && Math.abs(lostAtMs - still.atMs) < still.forMs) {
      const seconds = (still.forMs / 1000).toFixed(1);
      const sentence = `the supervisor of ${node} stood still for ${seconds} s: stopped, suspended or starved`;
      return () => ({ code: 'SUPERVISOR_FROZEN', sentence });
    }
    const sentence = `${node} lived on, but was cut off from etcd, or etcd could not answer it`;
    return () => ({ code: 'ETCD_CUT_OFF', sentence });
  }

  #startedAgain(record: HistoryRecord): Cause {
    const node = this.#nodeId;
    const bootedAtMs = Date.parse(this.#clock.wallTimeIso()) - this.#clock.bootTimeMs();
    return bootedAtMs > Date.parse(record.at) - clocksDifferMs
      ? { code: 'HOST_DIED', sentence: `${node} itself was started again after that` }
      : { code: 'SUPERVISOR_DIED', sentence: `the supervisor of ${node} died, its host lived on` };
  }
}
