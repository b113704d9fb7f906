import { messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import type { Cause } from '../core/cause.ts';
import { nodeListens, replicatorLeads, vipIsOn } from '../core/leadership/leadership.ts';
import { epochOf, type RoleState } from '../core/leadership/state.ts';
import type { HistoryRecord } from '../core/records/history.ts';
import { type Leader, unreadableLeader } from '../core/records/records.ts';
import type { Clock, ClusterStore } from '../runtime/ports.ts';
import { type Gap, type Served, ServiceGap } from './service-gap.ts';

type Phases = HistoryRecord['phases'];
type Part = keyof Phases;

interface Promotion {
  readonly epoch: number;
  readonly beganMs: number;
  readonly phases: Partial<Phases>;
}

/** Watches how this host's leaderships come to be, and writes each into the history once it serves. */
export class HistoryRecorder {
  readonly #store: ClusterStore;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #gap: ServiceGap;
  #promotion: Promotion | null = null;

  constructor(options: { store: ClusterStore; clock: Clock; leaseTtlMs: number; log: Logger }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#gap = new ServiceGap(options.leaseTtlMs);
  }

  /** Called with each decision. `before` is the state that the one at `atMs` came from. */
  onDecision(before: RoleState, state: RoleState, atMs: number): void {
    const gap = this.#gap.current;
    this.#gap.onDecision(state, atMs);
    const { phase } = state;
    if (phase.name !== 'promoting' && phase.name !== 'leading') {
      this.#promotion = null;
      return;
    }
    if (this.#promotion?.epoch !== phase.epoch) {
      if (phase.name === 'leading') return;
      this.#promotion = { epoch: phase.epoch, beganMs: atMs, phases: {} };
    }
    const { phases, beganMs } = this.#promotion;
    for (const [part, isUp] of partsUp(state)) if (isUp) phases[part] ??= atMs - beganMs;
    if (phase.name === 'leading' && before.phase.name === 'promoting') {
      void this.#write(state, phases as Phases, gap, atMs);
    }
  }

  async #write(state: RoleState, phases: Phases, gap: Gap | null, atMs: number): Promise<void> {
    const leader = state.cluster?.leader ?? null;
    if (leader === null) return;
    try {
      const from = gap?.after ?? (await this.#lastBefore(leader.epoch));
      const operation = state.cluster?.operation;
      const asked = operation != null && operation.id === leader.operationId;
      const record: HistoryRecord = {
        epoch: leader.epoch,
        node: leader.node,
        at: this.#clock.wallTimeIso(),
        from: from === null ? null : { node: from.node, epoch: from.epoch },
        cause: causeOf(state, leader, from, gap),
        requestedBy: asked ? operation.requestedBy : null,
        operationId: leader.operationId,
        phases,
        ...outageOf(leader, phases, gap, atMs),
      };
      await this.#store.writeHistory(record, 0);
    } catch (error) {
      this.#log.warn({ epoch: leader.epoch, reason: messageOf(error) }, 'the history could not be written');
    }
  }

  async #lastBefore(epoch: number): Promise<Served | null> {
    const entries = await this.#store.readHistory();
    return entries.findLast(({ record }) => record.epoch < epoch)?.record ?? null;
  }
}

/** A host that handed over to this one told for how long clients were shut out by then. */
function outageOf(
  leader: Leader,
  phases: Phases,
  gap: Gap | null,
  atMs: number,
): Pick<HistoryRecord, 'outageMs' | 'outageAtLeastMs'> {
  const isDirect = gap === null || gap.after.node === leader.handedOverBy;
  if (leader.downMs !== null && isDirect && (gap?.failed.size ?? 0) <= 1) {
    const outageMs = leader.downMs + phases.servingMs;
    return { outageMs, outageAtLeastMs: outageMs };
  }
  if (gap === null) return { outageMs: null, outageAtLeastMs: null };
  return { outageMs: atMs - gap.earliestMs, outageAtLeastMs: atMs - gap.latestMs };
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

/** Why this leadership came to be, as far as a record tells: the cause is what ended the service before. */
function causeOf(state: RoleState, leader: Leader, from: Served | null, gap: Gap | null): Cause {
  const first = firstCause(state, gap?.successor ?? leader, from, gap);
  const failed = [...(gap?.failed ?? [])]
    .filter(([epoch]) => epoch !== leader.epoch)
    .map(([, { node, departure }]) =>
      node === unreadableLeader
        ? 'the leader key in etcd could not be read'
        : `${node} did not come to serve (${departure?.cause.code ?? 'not told why'})`,
    );
  return failed.length === 0
    ? first
    : { ...first, sentence: [first.sentence, ...failed.slice(0, 10)].join('; ') };
}

function firstCause(state: RoleState, leader: Leader, from: Served | null, gap: Gap | null): Cause {
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
  const last = state.cluster?.departure;
  const departure = gap?.departure ?? (last?.epoch === from.epoch ? last : null);
  if (departure !== null && departure !== undefined) {
    return { code: departure.cause.code, sentence: `${from.node} gave up: ${departure.cause.sentence}` };
  }
  return {
    code: 'LEASE_EXPIRED',
    sentence: `the lease of ${from.node} ended: its host died, froze, or was cut off from etcd`,
  };
}
