import type { Cause } from '../cause.ts';
import type { OperationReport, RoleState } from '../leadership/state.ts';
import type { Timing } from '../leadership/timing.ts';
import { isOver, type Operation } from '../records/operation.ts';
import { isMissed } from './operation.ts';

/**
 * An operator's failover, on its target: it is taken up (`running` is written), the claim goes by that record, and the
 * one promotion that comes of it ends it, done or failed. So a failover that fails is told, and tried once.
 */

/** The failover that this host has taken up, and etcd says so: its claim may go by it. Null when there is none. */
export function failoverUnderWay({ cluster, operation: own }: RoleState): Operation | null {
  const operation = cluster?.operation ?? null;
  if (operation?.kind !== 'failover' || operation.state !== 'running' || operation.cancelledBy !== null)
    return null;
  return own?.id === operation.id && own.state === 'running' ? operation : null;
}

/** What this standby has to tell of a failover from now on; null: as before. */
export function failoverReport(state: RoleState, at: number, timing: Timing): OperationReport | null {
  const operation = state.cluster?.operation ?? null;
  if (operation?.kind !== 'failover' || isOver(operation) || state.cluster?.leader !== null) return null;
  const tell = (reported: OperationReport['state'], step: string | null, outcome: Cause | null) => ({
    id: operation.id,
    epoch: 0,
    state: reported,
    step,
    outcome,
  });
  if (operation.to !== state.nodeId) {
    const sentence = `${operation.to} is not there any more: it holds no lease at etcd`;
    return isTargetGone(state, operation, at, timing)
      ? tell('failed', null, { code: 'TARGET_AWAY', sentence })
      : null;
  }
  const own = state.operation?.id === operation.id ? state.operation : null;
  if (operation.cancelledBy !== null) {
    const sentence = `called off by ${operation.cancelledBy}`;
    return own?.state === 'cancelled'
      ? null
      : tell('cancelled', null, { code: 'OPERATION_CANCELLED', sentence });
  }
  if (own === null && operation.state === 'running') {
    const sentence = `the supervisor of ${state.nodeId} was started again meanwhile`;
    return tell('failed', null, { code: 'OPERATION_INTERRUPTED', sentence });
  }
  const late = isMissed({ dueAtMs: takenUpBy(state, operation) }, at, timing);
  if (own === null) {
    const sentence = `${state.nodeId} did not hear of it in time`;
    return late
      ? tell('failed', null, { code: 'OPERATION_MISSED', sentence })
      : tell('running', 'claiming', null);
  }
  if (own.state !== 'running' || !late) return null;
  const sentence = `${state.nodeId} could not claim leadership in ${timing.missedAfterMs / 1000} s: see \`holdfast why\``;
  return tell('failed', null, { code: 'OPERATION_MISSED', sentence });
}

/** As a promotion that an operator asked for ends, so does the operation. */
export function failoverEnded(
  { operation, cluster }: RoleState,
  epoch: number,
  state: 'done' | 'failed',
  outcome: Cause,
): OperationReport | null {
  const isIts = operation?.state === 'running' && cluster?.leader?.operationId === operation.id;
  // A failure is told when nobody leads any more, the success by the leader.
  return isIts ? { ...operation, epoch: state === 'done' ? epoch : 0, state, outcome } : operation;
}

/** By what the wall clocks say, or by what this host saw itself: they may differ. */
function takenUpBy({ operationAppeared: appeared }: RoleState, operation: Operation): number {
  const seenMs = appeared?.id === operation.id ? appeared.afterMs : operation.dueAtMs;
  return Math.max(operation.dueAtMs, seenMs);
}

/** Counted from when it was asked for: a host that restarts is back sooner. One that goes later ends it at once. */
const goneAfterMs = 15_000;

function isTargetGone(state: RoleState, operation: Operation, at: number, timing: Timing): boolean {
  const isThere = state.cluster?.nodes.some((node) => node.node === operation.to);
  if (isThere === true) return false;
  const waitedMs = at - takenUpBy(state, operation);
  return waitedMs > Math.min(goneAfterMs, timing.missedAfterMs);
}
