import type { Cause } from '../cause.ts';
import { failoverEnded } from '../operation/failover.ts';
import type { Phase, RoleState } from './state.ts';

export type Phased<Name extends Phase['name']> = Extract<Phase, { name: Name }>;

/** One move of the role machine: the state after it, and why the phase changed, if it did for a reason. */
export interface Step {
  readonly state: RoleState;
  readonly cause: Cause | null;
}

export function enterSteppingDown(state: RoleState, at: number, epoch: number, cause: Cause): Step {
  // No permit is given any more, and none was for longer than the lease. Without a lease it is not known how long.
  const gateEndsAtMs = state.lease?.endsAtMs ?? Number.POSITIVE_INFINITY;
  const phase: Phase = { name: 'stepping-down', epoch, sinceMs: at, cause, gateEndsAtMs };
  const operation = failoverEnded(state, epoch, 'failed', cause);
  return { state: { ...state, operation, phase, failure: null, lastFailure: cause }, cause };
}

export function enterStandby(state: RoleState, epoch: number): Step {
  const endedEpoch = Math.max(state.endedEpoch, epoch);
  return { state: { ...state, phase: { name: 'standby' }, endedEpoch, nodeDeaths: [] }, cause: null };
}
