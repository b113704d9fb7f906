import type { Cause } from '../cause.ts';
import { dueSwitchover, objectionTo } from '../operation/operation.ts';
import { successorOf } from './candidates.ts';
import { leaderKeyIsMine, lossOf } from './leadership.ts';
import {
  type HandOverStep,
  isPastReturn,
  type OperationReport,
  type Phase,
  type RoleState,
} from './state.ts';
import { enterStandby, enterSteppingDown, type Phased, type Step } from './step.ts';
import type { Timing } from './timing.ts';

type HandingOver = Phased<'handing-over'>;

/** The supervisor was told to stop: whoever can takes over, and nothing calls it off. */
export function beginStop(state: RoleState, epoch: number, at: number): Step {
  const to = successorOf(state);
  return begin(
    state,
    { epoch, at, to, operationId: null, drainMs: 0, canBeCalledOff: false },
    {
      code: 'STOPPING',
      sentence: to === null ? 'stopping, and no other host is eligible' : `stopping, ${to.node} takes over`,
    },
  );
}

/** The operator's switchover that is due, begun or refused; null when there is none. */
export function beginSwitchover(state: RoleState, epoch: number, at: number, timing: Timing): Step | null {
  const due = dueSwitchover(state, epoch, at, timing);
  if (due === null) return null;
  const { id, drainMs, drill, requestedBy } = due.operation;
  if (due.refusal !== null) {
    const operation = report(id, epoch, endedBy(due.refusal), null, due.refusal);
    return { state: { ...state, operation }, cause: null };
  }
  const begun = { ...state, operation: report(id, epoch, 'running', 'preparing', null) };
  return begin(
    begun,
    { epoch, at, to: due.to, operationId: id, drainMs, canBeCalledOff: true },
    {
      code: drill ? 'DRILL' : 'SWITCHOVER',
      sentence: `${requestedBy} asked for ${drill ? 'a drill' : 'it'}, ${due.to?.node} takes over`,
    },
  );
}

/** A leader with a full disk or a dead link that a fit host could relieve; null when there is no need, or nobody. */
export function beginRelief(state: RoleState, epoch: number, at: number, timing: Timing): Step | null {
  const { unfitSinceMs, unfit } = state;
  const [problem] = unfit;
  if (problem === undefined || unfitSinceMs === null || at - unfitSinceMs < timing.unfitLimitMs) return null;
  const to = state.cluster?.paused ? null : successorOf(state);
  if (to === null) return null;
  return begin(
    state,
    { epoch, at, to, operationId: null, drainMs: 0, canBeCalledOff: true },
    { code: problem.code, sentence: `${problem.sentence}: ${to.node} takes over` },
  );
}

function begin(
  state: RoleState,
  move: Pick<HandingOver, 'epoch' | 'to' | 'operationId' | 'drainMs' | 'canBeCalledOff'> & { at: number },
  cause: Cause,
): Step {
  const { at, ...parts } = move;
  const phase: Phase = {
    name: 'handing-over',
    ...parts,
    cause,
    sinceMs: at,
    step: parts.to === null ? 'draining' : 'preparing',
    closedAtMs: null,
  };
  return { state: { ...state, phase }, cause };
}

export function fromHandingOver(
  state: RoleState,
  phase: HandingOver,
  at: number,
  timing: Timing,
): Step | null {
  if (phase.step === 'transferring' && !leaderKeyIsMine(state)) return enterStandby(state, phase.epoch);
  const loss = lossOf(state, phase.epoch, at, timing);
  if (loss !== null) return enterSteppingDown(state, at, phase.epoch, loss);
  const objection = objectionOf(state, phase, at, timing);
  if (objection !== null) return callOff(state, phase, at, objection);
  const following = nextStep(state, phase, at, timing);
  if (following !== null) return enterStep(state, { ...following, sinceMs: at }, at);
  if (phase.step === 'preparing' || at - phase.sinceMs <= stepLimitMs(phase, timing)) return null;
  return enterSteppingDown(state, at, phase.epoch, timeout(phase, timing));
}

function enterStep(state: RoleState, phase: HandingOver, at: number): Step {
  const closedAtMs =
    phase.closedAtMs ?? (phase.step === 'handing-off' || phase.step === 'leaving' ? at : null);
  const operation =
    phase.operationId === null
      ? state.operation
      : report(phase.operationId, phase.epoch, 'running', phase.step, null);
  return { state: { ...state, operation, phase: { ...phase, closedAtMs } }, cause: null };
}

/** Why a move goes no further, while it can be taken back. A stop goes on whatever happens. */
function objectionOf(state: RoleState, phase: HandingOver, at: number, timing: Timing): Cause | null {
  if (!phase.canBeCalledOff || isPastReturn(phase.step)) return null;
  const objection = objectionTo(state, phase.operationId, phase.to);
  if (objection !== null) return objection;
  if (phase.step === 'preparing' && isWrittenDown(state, phase)) return null;
  const { handedOff } = state.replicator;
  if (phase.step === 'handing-off' && handedOff?.epoch === phase.epoch && !handedOff.complete) {
    const sentence = `${phase.to?.node} did not confirm the last operations: ${handedOff.reason}`;
    return { code: 'HAND_OFF_INCOMPLETE', sentence };
  }
  return at - phase.sinceMs > stepLimitMs(phase, timing) ? timeout(phase, timing) : null;
}

/** Back to serving, as if nothing had been: clients that were shut out are let in again. */
function callOff(state: RoleState, phase: HandingOver, at: number, cause: Cause): Step {
  const { operationId, epoch, step } = phase;
  return {
    state: {
      ...state,
      phase: { name: 'leading', epoch, sinceMs: at },
      // Not again at once, when it was for want of fitness.
      unfitSinceMs: state.unfitSinceMs === null ? null : at,
      operation:
        operationId === null ? state.operation : report(operationId, epoch, endedBy(cause), step, cause),
      replicator: { ...state.replicator, handedOff: null },
    },
    cause,
  };
}

function nextStep(state: RoleState, phase: HandingOver, at: number, timing: Timing): HandingOver | null {
  const to = (step: HandOverStep) => ({ ...phase, step });
  switch (phase.step) {
    case 'preparing': {
      // One that is not ready can take over all the same: it only takes longer.
      const successor = state.cluster?.nodes.find((node) => node.node === phase.to?.node);
      const late = at - phase.sinceMs > timing.prepareLimitMs;
      if (!isWrittenDown(state, phase)) return null;
      return late || successor?.preparedFor === phase.epoch ? to('draining') : null;
    }
    case 'draining': {
      if (state.node.is !== 'gate-shut' && state.node.is !== 'absent') return null;
      return to(phase.to === null ? 'leaving' : 'handing-off');
    }
    case 'handing-off': {
      const { handedOff } = state.replicator;
      if (handedOff?.epoch !== phase.epoch) return null;
      // Whoever is in the in-sync set holds all that was acknowledged; without the tail nobody is preferred.
      return handedOff.complete ? to('leaving') : { ...phase, to: null, step: 'leaving' };
    }
    case 'leaving':
      return state.node.is === 'absent' && state.vip.is === 'absent' ? to('transferring') : null;
    case 'transferring':
      return null;
  }
}

/** Whether etcd says that the operation runs: an operator may call one that is pending off at any moment. */
function isWrittenDown({ cluster }: RoleState, { operationId, epoch }: HandingOver): boolean {
  const operation = cluster?.operation;
  if (operationId === null) return true;
  return operation?.id === operationId && operation.state === 'running' && operation.epoch === epoch;
}

/** The leadership after which this host stands ready, with its spare loaded; 0: none. */
export function preparedFor(state: RoleState): number {
  const { successor } = state.cluster ?? {};
  return state.spare === 'ready' && successor?.node === state.nodeId ? successor.epoch : 0;
}

function stepLimitMs({ step, drainMs }: HandingOver, timing: Timing): number {
  if (step === 'draining') return timing.handOverStepLimitMs + drainMs;
  return timing.handOverStepLimitMs + (step === 'leaving' ? timing.vipCommandMs : 0);
}

function timeout(phase: HandingOver, timing: Timing): Cause {
  const sentence = `handing over did not get past "${phase.step}" in ${stepLimitMs(phase, timing)} ms`;
  return { code: 'HAND_OVER_TIMEOUT', sentence };
}

function endedBy({ code }: Cause): 'cancelled' | 'failed' {
  return code === 'OPERATION_CANCELLED' ? 'cancelled' : 'failed';
}

function report(
  id: string,
  epoch: number,
  state: OperationReport['state'],
  step: HandOverStep | null,
  outcome: Cause | null,
): OperationReport {
  return { id, epoch, state, step, outcome };
}
