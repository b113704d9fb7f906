import type { Cause } from '../cause.ts';
import { namedSuccessor, successorOf } from '../leadership/candidates.ts';
import { overriddenBySwitchover } from '../leadership/overridden.ts';
import type { OperationReport, RoleState, Successor } from '../leadership/state.ts';
import type { Timing } from '../leadership/timing.ts';
import { isOver, type Operation } from '../records/operation.ts';

/** A switchover that is to begin now, with its target, or with the reason why it ends before it began. */
export interface DueSwitchover {
  readonly operation: Operation;
  readonly to: Successor | null;
  readonly refusal: Cause | null;
}

/** The switchover that the leader at `epoch` has to begin now; null when there is none. */
export function dueSwitchover(
  state: RoleState,
  epoch: number,
  at: number,
  timing: Timing,
): DueSwitchover | null {
  const operation = state.cluster?.operation ?? null;
  if (operation?.kind !== 'switchover' || operation.state !== 'pending') return null;
  const own = state.operation;
  if ((operation.id === own?.id && own.epoch === epoch) || operation.dueAtMs > at) return null;
  const refuse = (code: string, sentence: string) => ({ operation, to: null, refusal: { code, sentence } });
  if (operation.cancelledBy !== null) {
    return refuse('OPERATION_CANCELLED', `called off by ${operation.cancelledBy}`);
  }
  if (isMissed(operation, at, timing)) {
    return refuse(
      'OPERATION_MISSED',
      `nobody led when it was due, ${Math.round((at - operation.dueAtMs) / 1000)} s ago`,
    );
  }
  if (operation.at === null && operation.epoch !== epoch) {
    return refuse('OPERATION_INTERRUPTED', `the leader of epoch ${operation.epoch} was gone before it began`);
  }
  if (operation.to === state.nodeId) return refuse('ALREADY_LEADING', `${state.nodeId} leads already`);
  const to =
    operation.to === null ? successorOf(state) : namedSuccessor(state, operation.to, ignoredBy(operation));
  if (to === null) return refuse('NO_CANDIDATE', 'no other host may lead now: see `holdfast why`');
  return 'code' in to ? refuse(to.code, to.sentence) : { operation, to, refusal: null };
}

function ignoredBy({ force }: Pick<Operation, 'force'>): readonly string[] {
  return force ? overriddenBySwitchover : [];
}

/** Why a switchover that is under way, and could still be called off, has to be; null: it goes on. */
export function objectionTo(
  state: RoleState,
  operationId: string | null,
  to: Successor | null,
): Cause | null {
  const operation = state.cluster?.operation;
  if (operation?.id === operationId && operation.cancelledBy !== null) {
    return { code: 'OPERATION_CANCELLED', sentence: `called off by ${operation.cancelledBy}` };
  }
  if (to === null) return null;
  const ignored = operation?.id === operationId ? ignoredBy(operation) : [];
  const found = namedSuccessor(state, to.node, ignored);
  if ('code' in found) return found;
  return found.leaseId === to.leaseId
    ? null
    : { code: 'TARGET_AWAY', sentence: `${to.node} was started again meanwhile` };
}

/** Whether it is too late to begin what was due then. */
export function isMissed({ dueAtMs }: Pick<Operation, 'dueAtMs'>, at: number, timing: Timing): boolean {
  return at - dueAtMs > timing.missedAfterMs;
}

/**
 * What etcd is to say of the operation now, by the word of the leader at `epoch` (0: of a host that does not lead);
 * null: it says so, or there is none.
 */
export function operationReport(state: RoleState, epoch: number): OperationReport | null {
  const operation = state.cluster?.operation ?? null;
  if (operation === null || isOver(operation)) return null;
  const own = state.operation;
  if (own?.id === operation.id && own.epoch === epoch) {
    const told = operation.state === own.state && operation.step === own.step;
    return told ? null : own;
  }
  return epoch === 0 ? null : left(operation, state, epoch);
}

/** What became of an operation that another leadership began, or that made this one. */
function left(operation: Operation, state: RoleState, epoch: number): OperationReport | null {
  const { id, from, to } = operation;
  const leader = state.cluster?.leader;
  const end = (ended: 'done' | 'failed', code: string, sentence: string): OperationReport => ({
    id,
    epoch,
    state: ended,
    step: null,
    outcome: { code, sentence },
  });
  if (leader?.operationId === id) {
    return operation.kind === 'failover'
      ? end('done', 'TAKEN_OVER', `${state.nodeId} leads`)
      : end('done', 'HANDED_OVER', `${from ?? 'nobody'} handed over to ${state.nodeId}`);
  }
  if (operation.kind === 'failover') {
    return end('failed', 'OPERATION_INTERRUPTED', `${state.nodeId} leads meanwhile`);
  }
  if (operation.state !== 'running' || operation.epoch === epoch) return null;
  const sentence = `the leader of epoch ${operation.epoch} was gone at step "${operation.step}"; ${state.nodeId} leads`;
  return end(to === state.nodeId ? 'done' : 'failed', 'OPERATION_INTERRUPTED', sentence);
}
