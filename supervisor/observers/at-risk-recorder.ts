import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '#contracts/errors.ts';
import type { Held, HostAtRisk } from '#contracts/ipc/at-risk.ts';
import type { Logger } from '#contracts/log.ts';
import { epochOf, type RoleState } from '../core/leadership/state.ts';
import {
  type AtRiskRecord,
  type TakenOverWithout,
  takenOverWithinBounds,
  withinBounds,
} from '../core/records/at-risk.ts';
import type { Clock, ClusterStore, ReplicatorStatus } from '../runtime/ports.ts';

/** At most so often, but for the first and for when nothing is at risk any more. */
const changesEveryMs = 5000;
/** Also when nothing changed: who reads it sees until when it holds. */
const standingMs = 30_000;

export interface AtRiskRecorderOptions {
  readonly store: Pick<ClusterStore, 'readAtRisk' | 'writeAtRisk'>;
  readonly clock: Clock;
  /** Tells the replicator what the leader before knew. */
  readonly tellHeld: (held: Held[]) => void;
  readonly log: Logger;
}

type Told = Pick<AtRiskRecord, 'hosts' | 'takenOverWithout'>;

/** Of one leadership: what it found, and what it wrote last. */
interface Led {
  readonly epoch: number;
  /** As the leader before told it. */
  readonly found: readonly HostAtRisk[];
  readonly takenOverWithout: TakenOverWithout | null;
  /** Null: nothing yet, and what lies there is the word of the leader before. */
  written: Told | null;
  writtenAtMs: number;
  /** Of the key as it was read or written last. */
  modRevision: number;
}

/**
 * Keeps `at-risk` in etcd while this host leads: what hosts may lack that are not in sync, so that it can be seen when
 * this host is gone.
 */
export class AtRiskRecorder {
  readonly #options: AtRiskRecorderOptions;
  /** Null: what lies in etcd is to be read, since none was begun or a write was refused or has no known outcome. */
  #led: Led | null = null;
  #isBusy = false;
  /** The replicator has begun to lead, or has started anew, and does not know what was known before. */
  #isUntold = true;

  constructor(options: AtRiskRecorderOptions) {
    this.#options = options;
  }

  /** Another process of the replicator runs. */
  onReplicatorStarted(): void {
    this.#isUntold = true;
  }

  /** The replicator has told how it stands. */
  async onStatus(state: RoleState, { role, atRisk }: ReplicatorStatus): Promise<void> {
    const epoch = epochOf(state.phase);
    if (epoch === 0 || role !== 'leader' || this.#isBusy) return;
    this.#isBusy = true;
    try {
      if (this.#led?.epoch !== epoch) this.#led = await this.#begin(state, epoch);
      if (this.#isUntold) this.#tellHeld(this.#led.written?.hosts ?? this.#led.found);
      if (atRisk !== null) await this.#write(state.nodeId, this.#led, withinBounds(atRisk));
    } catch (error) {
      this.#led = null;
      this.#options.log.debug(
        { reason: messageOf(error) },
        'what hosts may lack could not be written to etcd',
      );
    } finally {
      this.#isBusy = false;
    }
  }

  async #begin(state: RoleState, epoch: number): Promise<Led> {
    const { record: before, modRevision } = await this.#options.store.readAtRisk();
    const hosts = before?.hosts ?? [];
    this.#isUntold = true;
    const self = hosts.find(({ nodeId }) => nodeId === state.nodeId);
    const isNew = before !== null && before.epoch < epoch && self !== undefined && isForced(state);
    const takenOverWithout = isNew
      ? { host: takenOverWithinBounds(self), by: before.by, at: before.at, epoch }
      : (before?.takenOverWithout ?? null);
    return { epoch, found: hosts, takenOverWithout, written: null, writtenAtMs: 0, modRevision };
  }

  #tellHeld(hosts: readonly HostAtRisk[]): void {
    this.#isUntold = false;
    this.#options.tellHeld(
      hosts.flatMap(({ nodeId, holds }) => (holds === null ? [] : [{ nodeId, position: { ...holds } }])),
    );
  }

  async #write(by: string, led: Led, hosts: HostAtRisk[]): Promise<void> {
    const { store, clock } = this.#options;
    const { epoch, takenOverWithout, written } = led;
    const told = { hosts, takenOverWithout };
    const atMs = clock.bootTimeMs();
    const isSame = isDeepStrictEqual(told, written);
    const isUrgent = written === null || (hosts.length === 0) !== (written.hosts.length === 0);
    if (isSame && hosts.length === 0) return;
    if (!isUrgent && atMs - led.writtenAtMs < (isSame ? standingMs : changesEveryMs)) return;
    const revision = await store.writeAtRisk(
      { by, epoch, at: clock.wallTimeIso(), ...told },
      led.modRevision,
    );
    if (revision === null) {
      this.#led = null;
      return;
    }
    led.modRevision = revision;
    led.written = told;
    led.writtenAtMs = atMs;
  }
}

/** Whether the leadership began by `holdfast failover --force`. */
function isForced({ cluster }: RoleState): boolean {
  const { leader, operation } = cluster ?? {};
  return operation?.kind === 'failover' && operation.force && operation.id === leader?.operationId;
}
