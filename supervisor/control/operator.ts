import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type ErrorCode, HoldfastError } from '#contracts/errors.ts';
import type { NodeId } from '#contracts/identities.ts';
import type { Logger } from '#contracts/log.ts';
import type { Cause } from '../core/cause.ts';
import { isPastReturn } from '../core/leadership/state.ts';
import { type Plan, planOf } from '../core/operation/plan.ts';
import type { OperationRequest } from '../core/operation/request.ts';
import type { Era } from '../core/records/era.ts';
import type { HistoryRecord } from '../core/records/history.ts';
import { isOver, type Operation, type OperationRecord, recordOf } from '../core/records/operation.ts';
import { planRestored, type RestoredPlan } from '../core/restored/plan.ts';
import type { Clock, ClusterStore } from '../runtime/ports.ts';

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
    };
    await this.#write(record, cluster.operation);
    this.#log.info(
      { operation: record.id, to: record.to, at: record.at },
      `${record.kind} asked for by ${record.requestedBy}`,
    );
    return record;
  }

  /**
   * Calls the operation off. One that is pending is over at once; one that runs is taken back by its leader.
   * @throws HoldfastError NO_OPERATION, OPERATION_TOO_LATE
   */
  async cancel(by: string): Promise<OperationRecord> {
    const { operation } = await this.#store.read();
    if (operation === null || isOver(operation))
      throw new HoldfastError('NO_OPERATION', 'nothing is under way');
    if (isPastReturn(operation.step)) {
      throw new HoldfastError('OPERATION_TOO_LATE', `${operation.id} is at "${operation.step}"`);
    }
    const record = recordOf(operation);
    const outcome = { code: 'OPERATION_CANCELLED', sentence: `called off by ${by}` };
    const called: OperationRecord =
      operation.state === 'pending'
        ? { ...record, cancelledBy: by, state: 'cancelled', outcome }
        : { ...record, cancelledBy: by };
    await this.#write(called, operation);
    this.#log.info({ operation: record.id }, `${record.kind} called off by ${by}`);
    return called;
  }

  /** @throws HoldfastError ALREADY_PAUSED */
  async pause(by: string, reason: string): Promise<void> {
    const { paused, leader } = await this.#store.read();
    if (paused !== null) {
      throw new HoldfastError(
        'ALREADY_PAUSED',
        `paused by ${paused.by} since ${paused.at}: ${paused.reason}`,
      );
    }
    await this.#store.writePause({ by, at: this.#clock.wallTimeIso(), reason, leader: leader?.node ?? null });
    this.#log.warn({ code: 'PAUSED' }, `paused by ${by}: no host takes over by itself: ${reason}`);
    this.#onWritten();
  }

  /** @throws HoldfastError NOT_PAUSED */
  async resume(by: string): Promise<void> {
    const { paused } = await this.#store.read();
    if (paused === null) throw new HoldfastError('NOT_PAUSED', 'hosts take over by themselves already');
    await this.#store.writePause(null);
    this.#log.info(`the pause is ended by ${by}`);
    this.#onWritten();
  }

  async planRestored(): Promise<RestoredPlan> {
    return planRestored(await this.#store.read());
  }

  /**
   * Goes on with an etcd that was restored from a snapshot.
   * @param members the hosts that hold most, as the operator was shown them
   * @throws HoldfastError NOT_RESTORED, LEADER_PRESENT, NO_CANDIDATE; OPERATION_RUNNING when it changed meanwhile
   */
  async acceptRestored(by: string, members: readonly NodeId[]): Promise<void> {
    const view = await this.#store.read();
    const plan = planRestored(view);
    if (plan.refusal !== null) throw asError(plan.refusal);
    const era: Era = { number: plan.era, acceptedBy: by, acceptedAt: this.#clock.wallTimeIso() };
    const same = isDeepStrictEqual(plan.members, members);
    if (!same || !(await this.#store.beginEra(era, members, view))) {
      throw new HoldfastError('OPERATION_RUNNING', 'the cluster changed at the same moment: look again');
    }
    this.#log.warn({ code: 'ETCD_WENT_BACK', era: era.number, members }, `accepted by ${by}`);
    this.#onWritten();
  }

  /** Oldest first. */
  history(): Promise<HistoryRecord[]> {
    return this.#store.readHistory();
  }

  async #write(record: OperationRecord, before: Operation | null): Promise<void> {
    if (!(await this.#store.writeOperation(record, before?.modRevision ?? 0))) {
      throw new HoldfastError('OPERATION_RUNNING', 'the operation changed at the same moment: look again');
    }
    this.#onWritten();
  }

  #wallMs(): number {
    return Date.parse(this.#clock.wallTimeIso());
  }
}

function asError({ code, sentence }: Cause): HoldfastError {
  return new HoldfastError(code as ErrorCode, sentence);
}
