import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type ErrorCode, HoldfastError } from '#contracts/errors.ts';
import type { NodeId } from '#contracts/identities.ts';
import type { Logger } from '#contracts/log.ts';
import type { Cause } from '../core/cause.ts';
import { isPastReturn } from '../core/leadership/state.ts';
import { calledOff } from '../core/operation/machine.ts';
import { type Plan, planOf } from '../core/operation/plan.ts';
import type { OperationRequest } from '../core/operation/request.ts';
import type { Era } from '../core/records/era.ts';
import type { HistoryRecord } from '../core/records/history.ts';
import { type MendPlan, planMend } from '../core/records/mend.ts';
import {
  isOver,
  type Operation,
  type OperationRecord,
  type Pause,
  recordOf,
} from '../core/records/operation.ts';
import { planRestored, type RestoredPlan } from '../core/restored/plan.ts';
import type { Clock, ClusterStore } from '../runtime/ports.ts';
import type { Supervisor } from '../runtime/supervisor.ts';
import { type AtRiskAnswer, atRiskOf } from './at-risk.ts';

/**
 * Takes what operators ask for down in etcd, on whichever host they ask. The leader, or for a failover its target,
 * reads it there and acts: so it goes on without the host, and without the operator, that asked.
 */
export class Operator {
  readonly #store: ClusterStore;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #onWritten: () => void;

  constructor(options: { store: ClusterStore; clock: Clock; log: Logger; onWritten: () => void }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#onWritten = options.onWritten;
  }

  async plan(request: OperationRequest): Promise<Plan> {
    return planOf(request, await this.#store.read(), this.#wallMs());
  }

  /** @throws HoldfastError with the code of the refusal */
  async request(request: OperationRequest): Promise<OperationRecord> {
    const cluster = await this.#store.read();
    const plan = planOf(request, cluster, this.#wallMs());
    if (plan.refusal !== null) throw asError(plan.refusal);
    const record: OperationRecord = {
      id: randomBytes(4).toString('hex'),
      kind: request.kind,
      from: plan.from,
      // A switchover that names nobody takes the best candidate of its moment.
      to: request.kind === 'failover' ? plan.to : request.to,
      force: request.force,
      drainMs: request.drainMs,
      drill: request.drill,
      requestedBy: request.by,
      requestedAt: this.#clock.wallTimeIso(),
      at: request.at === null ? null : new Date(request.at).toISOString(),
      state: 'pending',
      epoch: cluster.leader?.epoch ?? 0,
      step: null,
      steps: [],
      cancelledBy: null,
      outcome: null,
      supersedes: unfinished(cluster.operation)?.id ?? null,
    };
    await this.#write(record, cluster.revisions.operation);
    if (record.supersedes !== null) {
      this.#log.warn(
        { operation: record.id, supersedes: record.supersedes },
        'nobody led and worked on the one before',
      );
    }
    this.#log.info(
      { operation: record.id, to: record.to, at: record.at },
      `${record.kind} asked for by ${record.requestedBy}`,
    );
    return record;
  }

  /**
   * Calls the operation off. One that nobody works on is over at once; one that runs is taken back by its leader.
   * @throws HoldfastError NO_OPERATION, OPERATION_TOO_LATE
   */
  async cancel(by: string): Promise<OperationRecord> {
    const { operation, leader } = await this.#store.read();
    if (operation === null || isOver(operation))
      throw new HoldfastError('NO_OPERATION', 'nothing is under way');
    const isPast = isPastReturn(operation.step) && (leader !== null || operation.kind === 'failover');
    if (isPast || leader?.operationId === operation.id) {
      throw new HoldfastError('OPERATION_TOO_LATE', `${operation.id} is at "${operation.step}"`);
    }
    const called = calledOff(recordOf(operation), by, this.#clock.wallTimeIso(), leader !== null);
    await this.#write(called, operation.modRevision);
    this.#log.info({ operation: called.id }, `${called.kind} called off by ${by}`);
    return called;
  }

  /** @throws HoldfastError ALREADY_PAUSED, CHANGED_MEANWHILE */
  async pause(by: string, reason: string): Promise<void> {
    const { paused, leader, revisions } = await this.#store.read();
    if (paused !== null) {
      throw new HoldfastError(
        'ALREADY_PAUSED',
        `paused by ${paused.by} since ${paused.at}: ${paused.reason}`,
      );
    }
    const pause: Pause = { by, at: this.#clock.wallTimeIso(), reason, leader: leader?.node ?? null };
    if (!(await this.#store.writePause(pause, revisions.paused, null))) throw changedMeanwhile('the pause');
    this.#log.warn({ code: 'PAUSED' }, `paused by ${by}: no host takes over by itself: ${reason}`);
    this.#onWritten();
  }

  /** Ends the pause, also one that cannot be read. @throws HoldfastError NOT_PAUSED, CHANGED_MEANWHILE */
  async resume(by: string): Promise<void> {
    const { paused, revisions } = await this.#store.read();
    if (paused === null) throw new HoldfastError('NOT_PAUSED', 'hosts take over by themselves already');
    if (!(await this.#store.writePause(null, revisions.paused, null))) throw changedMeanwhile('the pause');
    this.#log.info(`the pause is ended by ${by}`);
    this.#onWritten();
  }

  /** Keys of etcd that cannot be read, and what mending each would do. */
  async planMend(): Promise<MendPlan[]> {
    return planMend(await this.#store.read());
  }

  /**
   * Takes a key that cannot be read out of the way, if it is as the operator was shown it.
   * @throws HoldfastError REQUEST_INVALID, CHANGED_MEANWHILE
   */
  async mend(by: string, key: string, modRevision: number): Promise<void> {
    const plan = (await this.planMend()).find((candidate) => candidate.key === key);
    if (plan === undefined) throw new HoldfastError('REQUEST_INVALID', `the etcd key "${key}" can be read`);
    const era =
      plan.era === null ? null : { number: plan.era, acceptedBy: by, acceptedAt: this.#clock.wallTimeIso() };
    const isSame = plan.modRevision === modRevision;
    if (!isSame || !(await this.#store.mendKey(plan.key, modRevision, era)))
      throw changedMeanwhile(`the key "${key}"`);
    this.#log.warn({ code: 'ETCD_VALUE_INVALID', key }, `mended by ${by}: ${plan.consequence}`);
    this.#onWritten();
  }

  async planRestored(): Promise<RestoredPlan> {
    return planRestored(await this.#store.read());
  }

  /**
   * Goes on with an etcd that was restored from a snapshot.
   * @param members the hosts that hold most, as the operator was shown them
   * @throws HoldfastError NOT_RESTORED, LEADER_PRESENT, NO_CANDIDATE; CHANGED_MEANWHILE
   */
  async acceptRestored(by: string, members: readonly NodeId[]): Promise<void> {
    const view = await this.#store.read();
    const plan = planRestored(view);
    if (plan.refusal !== null) throw asError(plan.refusal);
    const era: Era = { number: plan.era, acceptedBy: by, acceptedAt: this.#clock.wallTimeIso() };
    const same = isDeepStrictEqual(plan.members, members);
    if (!same || !(await this.#store.beginEra(era, members, view))) {
      throw changedMeanwhile('the cluster');
    }
    this.#log.warn({ code: 'ETCD_WENT_BACK', era: era.number, members }, `accepted by ${by}`);
    this.#onWritten();
  }

  /** Oldest first. */
  async history(): Promise<HistoryRecord[]> {
    return (await this.#store.readHistory()).map(({ record }) => record);
  }

  /** @throws as `atRiskOf` */
  atRisk(supervisor: Supervisor): Promise<AtRiskAnswer> {
    return atRiskOf(supervisor, this.#store, this.#clock);
  }

  async #write(record: OperationRecord, modRevision: number): Promise<void> {
    if (!(await this.#store.writeOperation(record, modRevision, null)))
      throw changedMeanwhile('the operation');
    this.#onWritten();
  }

  #wallMs(): number {
    return Date.parse(this.#clock.wallTimeIso());
  }
}

function asError({ code, sentence }: Cause): HoldfastError {
  return new HoldfastError(code as ErrorCode, sentence);
}

function unfinished(operation: Operation | null): Operation | null {
  return operation === null || isOver(operation) ? null : operation;
}

function changedMeanwhile(what: string): HoldfastError {
  return new HoldfastError('CHANGED_MEANWHILE', `${what} changed at the same moment`);
}
