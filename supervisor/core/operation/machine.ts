import type { Cause } from '../cause.ts';
import { isOver, type OperationRecord } from '../records/operation.ts';

export type OperationState = OperationRecord['state'];

/** A legal change of an operation. `holdfast fsm` and the docs print the same rows. */
export interface OperationTransition {
  readonly from: OperationState;
  readonly to: OperationState;
  readonly sentence: string;
}

/** `running` is in etcd before anything is done for the operation; from each state there is a way to an end. */
export const operationTransitions = [
  { from: 'pending', to: 'running', sentence: 'the leader, or for a failover its target, takes it up' },
  { from: 'pending', to: 'failed', sentence: 'it is refused, came too late, or who it was asked of is gone' },
  { from: 'pending', to: 'cancelled', sentence: 'an operator calls it off before it began' },
  { from: 'running', to: 'running', sentence: 'the next step begins' },
  { from: 'running', to: 'done', sentence: 'the service is where it was asked to be' },
  { from: 'running', to: 'failed', sentence: 'a step failed, or who ran it is gone' },
  { from: 'running', to: 'cancelled', sentence: 'an operator calls it off while clients are still served' },
] as const satisfies readonly OperationTransition[];

/** What whoever runs an operation tells of it. */
export interface OperationChange {
  readonly state: Exclude<OperationState, 'pending'>;
  /** The leadership that runs it; 0: a host that does not lead yet. */
  readonly epoch: number;
  /** The step that it is at; null: as before. */
  readonly step: string | null;
  readonly outcome: Cause | null;
}

const longestTale = 50;

/**
 * The record after a change.
 * @param atIso wall clock, for the tale of its steps
 * @throws when the change is not among the rows: a programmer error
 */
export function changed(record: OperationRecord, change: OperationChange, atIso: string): OperationRecord {
  operationRow(record.state, change.state);
  const step = change.step ?? record.step;
  const isNewStep = step !== null && step !== record.steps.at(-1)?.step;
  return {
    ...record,
    epoch: change.epoch,
    state: change.state,
    step,
    steps: isNewStep ? [...record.steps, { step, at: atIso }].slice(-longestTale) : record.steps,
    outcome: change.outcome,
  };
}

/**
 * An operator calls it off. It is over at once when nobody works on it: it is pending, or is a switchover whose leader is
 * gone. Otherwise whoever runs it takes it back.
 */
export function calledOff(
  record: OperationRecord,
  by: string,
  atIso: string,
  hasLeader: boolean,
): OperationRecord {
  const isWorkedOn = record.state !== 'pending' && (hasLeader || record.kind === 'failover');
  if (isWorkedOn) return { ...record, cancelledBy: by };
  const outcome: Cause = { code: 'OPERATION_CANCELLED', sentence: `called off by ${by}` };
  const change: OperationChange = { state: 'cancelled', epoch: record.epoch, step: null, outcome };
  return { ...changed(record, change, atIso), cancelledBy: by };
}

/** @throws when the table has no such row */
export function operationRow(from: OperationState, to: OperationState): OperationTransition {
  const row = operationTransitions.find((transition) => transition.from === from && transition.to === to);
  if (row === undefined) throw new Error(`impossible change of an operation: ${from} -> ${to}`);
  return row;
}

/**
 * Whether a new request may take the place of this one. With a leader one that is not over is worked on. Without one, a
 * failover may be under way; its steps are compare-and-swap on this record, so they fail once it is replaced.
 */
export function mayBeReplaced(record: OperationRecord | null, hasLeader: boolean): boolean {
  return record === null || isOver(record) || !hasLeader;
}
