import { messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import type { Cause } from '../core/cause.ts';
import { nodeListens, replicatorLeads, vipIsOn } from '../core/leadership/leadership.ts';
import { epochOf, type RoleState } from '../core/leadership/state.ts';
import type { HistoryRecord } from '../core/records/history.ts';
import type { Leader } from '../core/records/records.ts';
import type { Clock, ClusterStore } from '../runtime/ports.ts';

type Phases = HistoryRecord['phases'];
type Part = keyof Phases;

interface Promotion {
  readonly epoch: number;
  readonly beganMs: number;
  /** Since when nobody had led as it began; it is forgotten as soon as there is a leader. */
  readonly leaderlessSinceMs: number | null;
  readonly phases: Partial<Phases>;
}

/** Watches how this host's leaderships come to be, and writes each into the history once it serves. */
export class HistoryRecorder {
  readonly #store: ClusterStore;
  readonly #clock: Clock;
  readonly #log: Logger;
  #leader: Leader | null = null;
  #previous: Leader | null = null;
  #promotion: Promotion | null = null;

  constructor(options: { store: ClusterStore; clock: Clock; log: Logger }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Called with each decision. `before` is the state that the one at `atMs` came from. */
  onDecision(before: RoleState, state: RoleState, atMs: number): void {
    this.#seeLeader(state.cluster?.leader ?? null);
    const { phase } = state;
    if (phase.name !== 'promoting' && phase.name !== 'leading') {
      this.#promotion = null;
      return;
    }
    if (this.#promotion?.epoch !== phase.epoch) {
      if (phase.name === 'leading') return;
      const { leaderlessSinceMs } = before;
      this.#promotion = { epoch: phase.epoch, beganMs: atMs, leaderlessSinceMs, phases: {} };
    }
    const { phases, beganMs, leaderlessSinceMs } = this.#promotion;
    for (const [part, isUp] of partsUp(state)) if (isUp) phases[part] ??= atMs - beganMs;
    if (phase.name === 'leading' && before.phase.name === 'promoting') {
      const downSinceMs = before.nodeDeaths.at(-1) ?? leaderlessSinceMs;
      void this.#write(state, phases as Phases, downSinceMs === null ? null : atMs - downSinceMs);
    }
  }

  #seeLeader(leader: Leader | null): void {
    if (leader === null || leader.epoch === this.#leader?.epoch) return;
    this.#previous = this.#leader;
    this.#leader = leader;
  }

  async #write(state: RoleState, phases: Phases, outageMs: number | null): Promise<void> {
    const leader = this.#leader;
    if (leader === null) return;
    try {
      const from = this.#previous ?? (await this.#lastBefore(leader.epoch));
      const operation = state.cluster?.operation;
      const asked = operation != null && operation.id === leader.operationId;
      const record: HistoryRecord = {
        epoch: leader.epoch,
        node: leader.node,
        at: this.#clock.wallTimeIso(),
        from: from === null ? null : { node: from.node, epoch: from.epoch },
        cause: causeOf(state, leader, from),
        requestedBy: asked ? operation.requestedBy : null,
        operationId: leader.operationId,
        phases,
        outageMs: leader.downMs === null ? outageMs : leader.downMs + phases.servingMs,
      };
      await this.#store.writeHistory(record);
    } catch (error) {
      this.#log.warn({ epoch: leader.epoch, reason: messageOf(error) }, 'the history could not be written');
    }
  }

  async #lastBefore(epoch: number): Promise<HistoryRecord | null> {
    const records = await this.#store.readHistory();
    return records.findLast((record) => record.epoch < epoch) ?? null;
  }
}

function partsUp(state: RoleState): [Part, boolean][] {
  const epoch = epochOf(state.phase);
  return [
    ['replicatorMs', replicatorLeads(state, epoch)],
    ['sftpNodeMs', nodeListens(state, epoch)],
    ['vipMs', vipIsOn(state, epoch)],
    ['announcedMs', state.announcedFor === epoch],
    ['servingMs', state.phase.name === 'leading'],
  ];
}

/** Why this leadership came to be, told apart as far as anybody left word. */
function causeOf(state: RoleState, leader: Leader, from: { node: string; epoch: number } | null): Cause {
  const operation = state.cluster?.operation;
  if (leader.handedOverBy !== null) {
    const { code, sentence } = leader.handOverCause ?? { code: 'STOPPING', sentence: 'not told why' };
    return { code, sentence: `${leader.handedOverBy} handed over: ${sentence}` };
  }
  if (leader.operationId !== null) {
    const forced = operation?.id === leader.operationId && operation.force;
    return { code: 'FAILOVER', sentence: forced ? 'forced by an operator' : 'by an operator' };
  }
  if (from === null) return { code: 'FIRST_START', sentence: 'the first leader of this cluster' };
  if (from.node === leader.node && leader.cause !== 'claimed') {
    return { code: 'SFTP_NODE_EXITED', sentence: 'the SFTP node died and was started again' };
  }
  const departure = state.cluster?.departure;
  if (departure?.epoch === from.epoch) {
    return { code: departure.cause.code, sentence: `${from.node} gave up: ${departure.cause.sentence}` };
  }
  return {
    code: 'LEASE_EXPIRED',
    sentence: `the lease of ${from.node} ended: its host died, froze, or was cut off from etcd`,
  };
}
