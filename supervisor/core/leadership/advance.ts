import type { Cause } from '../cause.ts';
import { failoverEnded, failoverReport } from '../operation/failover.ts';
import { successorOf } from './candidates.ts';
import { beginRelief, beginStop, beginSwitchover, fromHandingOver } from './handing-over.ts';
import { isLeaseOver, isOff, isServing, leaderKeyIsMine, lossOf } from './leadership.ts';
import { isReplicated } from './replicated-cause.ts';
import { epochOf, type OperationReport, type Phase, type RoleState } from './state.ts';
import { enterStandby, enterSteppingDown, type Phased, type Step } from './step.ts';
import type { Timing } from './timing.ts';
import { type Transition, transitionRow } from './transitions.ts';

/** A change of phase that happened, for the log and the history. */
export interface Change {
  readonly row: Transition;
  readonly epoch: number;
  readonly cause: Cause | null;
}

/** Moves on as far as the facts allow; a chain of changes at one instant is bounded by the number of phases. */
export function advance(
  start: RoleState,
  at: number,
  timing: Timing,
): { state: RoleState; changes: Change[] } {
  let state = start;
  const changes: Change[] = [];
  for (let turn = 0; turn < 10; turn++) {
    const step = next(state, at, timing);
    if (step === null) return { state, changes };
    if (step.state.phase.name !== state.phase.name) {
      const row = transitionRow(state.phase.name, step.state.phase.name);
      changes.push({ row, epoch: epochOf(step.state.phase) || epochOf(state.phase), cause: step.cause });
    }
    state = step.state;
  }
  throw new Error(`the role machine does not settle in phase ${state.phase.name}`);
}

function next(state: RoleState, at: number, timing: Timing): Step | null {
  switch (state.phase.name) {
    case 'standby':
      return fromStandby(state, at, timing);
    case 'promoting':
      return fromPromoting(state, state.phase, at, timing);
    case 'leading':
      return fromLeading(state, state.phase, at, timing);
    case 'handing-over':
      return fromHandingOver(state, state.phase, at, timing);
    case 'stepping-down':
      return fromSteppingDown(state, state.phase, at, timing);
    case 'stopped':
      return null;
  }
}

function fromStandby(state: RoleState, at: number, timing: Timing): Step | null {
  const mine = leaderKeyIsMine(state);
  const epoch = state.cluster?.leader?.epoch ?? 0;
  if (mine && !state.stopping && epoch > state.endedEpoch) {
    return isLeaseOver(state, at, timing) ? null : enterPromoting(state, at, epoch);
  }
  const operation = failoverReport(state, at, timing);
  if (operation !== null && !isSame(operation, state.operation)) {
    return { state: { ...state, operation }, cause: null };
  }
  const isQuiet = state.node.is === 'absent' && state.spare === 'absent' && state.vip.is === 'absent';
  return state.stopping && isQuiet && isReleased(state, at, timing)
    ? { state: { ...state, phase: { name: 'stopped' } }, cause: null }
    : null;
}

function isSame(a: OperationReport, b: OperationReport | null): boolean {
  return a.id === b?.id && a.state === b.state && a.epoch === b.epoch;
}

/**
 * Entering a leadership resets everything that belonged to the one before. A host that handed over had the virtual IP
 * until a moment ago: no stranger needs to be looked for.
 */
function enterPromoting(state: RoleState, at: number, epoch: number): Step {
  const handedOver = state.cluster?.leader?.handedOverBy != null && hadSameAddresses(state);
  return {
    state: {
      ...state,
      phase: { name: 'promoting', epoch, sinceMs: at },
      failure: null,
      vipFailures: 0,
      // From now on a command that puts the address on may be under way: only looking tells that it is off.
      vip: state.vip.is === 'present' ? state.vip : { is: 'unknown' },
      ...(handedOver ? { vipFreeFor: epoch } : {}),
      replicator: { ...state.replicator, handedOff: null },
    },
    cause: null,
  };
}

/** As those that the last leader had, which are off by now. */
function hadSameAddresses({ cluster, settings }: RoleState): boolean {
  const before = cluster?.settings?.values.vips;
  return before === undefined || before === settings.vips;
}

function fromPromoting(
  state: RoleState,
  phase: Phased<'promoting'>,
  at: number,
  timing: Timing,
): Step | null {
  const loss = lossOf(state, phase.epoch, at, timing);
  if (loss !== null) {
    // No fault of this host: what counts against it is what it could not put up.
    const waiting = { ...state, claimNotBeforeMs: at + timing.backoffMs };
    return enterSteppingDown(waiting, at, phase.epoch, loss);
  }
  const cause = state.failure ?? promotionTimeout(state, phase, at, timing);
  if (cause !== null) return failPromotion(state, phase, at, cause, timing);
  if (state.stopping) return failPromotion(state, phase, at, stoppingCause, timing);
  if (!isServing(state, phase.epoch) || state.announcedFor !== phase.epoch) return null;
  const leading: Phase = { name: 'leading', epoch: phase.epoch, sinceMs: at };
  const outcome: Cause = { code: 'TAKEN_OVER', sentence: `${state.nodeId} leads` };
  const operation = failoverEnded(state, phase.epoch, 'done', outcome);
  return { state: { ...state, operation, phase: leading }, cause: null };
}

const stoppingCause: Cause = { code: 'STOPPING', sentence: 'the supervisor was told to stop' };

function promotionTimeout(
  state: RoleState,
  phase: Phased<'promoting'>,
  at: number,
  timing: Timing,
): Cause | null {
  if (at - phase.sinceMs <= timing.promotionLimitMs) return null;
  const waiting = [
    state.replicator.role === 'leader' ? null : 'the replicator',
    state.node.is === 'listening' ? null : 'the SFTP node',
    state.vip.is === 'present' ? null : 'the virtual IP',
    state.announcedFor === phase.epoch ? null : 'its announcement',
  ].filter((part) => part !== null);
  return {
    code: 'SFTP_NODE_TIMEOUT',
    sentence: `not ready after ${timing.promotionLimitMs} ms: still waiting for ${waiting.join(', ')}`,
  };
}

function failPromotion(
  state: RoleState,
  phase: Phased<'promoting' | 'leading'>,
  at: number,
  cause: Cause,
  timing: Timing,
): Step {
  if (isReplicated(cause)) {
    const waiting = { ...state, promotionFailedAtMs: at, claimNotBeforeMs: at + timing.replicatedBackoffMs };
    return enterSteppingDown(waiting, at, phase.epoch, cause);
  }
  const failedPromotions = state.failedPromotions + 1;
  const wait = Math.min(timing.maxBackoffMs, timing.backoffMs * 2 ** (failedPromotions - 1));
  const failed = { ...state, failedPromotions, promotionFailedAtMs: at, claimNotBeforeMs: at + wait };
  return enterSteppingDown(failed, at, phase.epoch, cause);
}

function fromLeading(state: RoleState, phase: Phased<'leading'>, at: number, timing: Timing): Step | null {
  const leader = state.cluster?.leader;
  if (leader && leaderKeyIsMine(state) && leader.epoch > phase.epoch && !isLeaseOver(state, at, timing)) {
    return enterNewEpoch(state, at, leader.epoch);
  }
  const loss = lossOf(state, phase.epoch, at, timing);
  if (loss !== null) return enterSteppingDown(state, at, phase.epoch, loss);
  const exhausted = exhaustion(state, at, timing);
  if (exhausted !== null) return failPromotion(state, phase, at, exhausted, timing);
  if (state.failedPromotions > 0 && at - phase.sinceMs >= timing.provenAfterMs) {
    return { state: { ...state, failedPromotions: 0, lastFailure: null }, cause: null };
  }
  const withoutEngine = engineLossOf(state, at, timing);
  if (withoutEngine !== null) {
    // Its own claim waits: the others take over at once.
    const waiting = { ...state, claimNotBeforeMs: at + timing.backoffMs };
    return enterSteppingDown(waiting, at, phase.epoch, withoutEngine);
  }
  if (state.stopping) return beginStop(state, phase.epoch, at);
  return beginSwitchover(state, phase.epoch, at, timing) ?? beginRelief(state, phase.epoch, at, timing);
}

/** H1: an engine that is not back soon, or says nothing, where another host could do better. */
function engineLossOf(state: RoleState, at: number, timing: Timing): Cause | null {
  const { engineSilentSinceMs, replicator, cluster } = state;
  if (cluster?.paused || successorOf(state) === null) return null;
  // It has said nothing for a second already.
  if (engineSilentSinceMs !== null) {
    return { code: 'ENGINE_SILENT', sentence: 'the storage engine says nothing: its disk stands still' };
  }
  const { awaySinceMs } = replicator;
  if (awaySinceMs === null || at - awaySinceMs < timing.engineLimitMs) return null;
  const sentence = `the storage engine is gone, and not back within ${timing.engineLimitMs} ms`;
  return { code: 'REPLICATOR_DOWN', sentence };
}

/** The same host goes on under a new epoch: the virtual IP stays on, so there is nothing to probe. */
function enterNewEpoch(state: RoleState, at: number, epoch: number): Step {
  const { state: promoting } = enterPromoting(state, at, epoch);
  const kept = state.vip.is === 'present' ? { vipFreeFor: epoch, announcedFor: epoch } : {};
  return { state: { ...promoting, ...kept }, cause: state.failure };
}

/** What ends a leadership although the lease is in order. */
function exhaustion(state: RoleState, at: number, timing: Timing): Cause | null {
  if (state.nodeIsStuck) {
    const sentence = 'the SFTP node neither answers nor dies: its disk stands still';
    return { code: 'SFTP_NODE_STUCK', sentence };
  }
  const recent = state.nodeDeaths.filter((death) => at - death < timing.nodeDeathWindowMs);
  if (recent.length > timing.maxNodeDeaths) {
    return {
      code: 'SFTP_NODE_EXITED',
      sentence: `the SFTP node died ${recent.length} times in ${timing.nodeDeathWindowMs / 1000} s`,
    };
  }
  return state.vipFailures >= 3 ? state.failure : null;
}

function fromSteppingDown(
  state: RoleState,
  phase: Phased<'stepping-down'>,
  at: number,
  timing: Timing,
): Step | null {
  return isOff(state, phase, at, timing) && isReleased(state, at, timing)
    ? enterStandby(state, phase.epoch)
    : null;
}

/** The leader key is not this host's, or goes by itself: an etcd that does not answer is not waited for. */
function isReleased(state: RoleState, at: number, timing: Timing): boolean {
  return !leaderKeyIsMine(state) || isLeaseOver(state, at - timing.marginMs, timing);
}
