import type { Cause } from '../cause.ts';
import { operationReport } from '../operation/operation.ts';
import { wentBackIn } from '../restored/went-back.ts';
import { mustLeave, rootIdOf, rootOrders, type Standing, standingOf } from '../roots/standing.ts';
import { claimOrder, isForcedHere } from './claim.ts';
import { failedFileOrders } from './failed-files.ts';
import { inSyncMembers, isInSyncReadable } from './in-sync.ts';
import { isLeaseOver, isOff, isServing, leaderKeyIsMine, replicatorLeads, vipIsOn } from './leadership.ts';
import { leaseDeadlineMs } from './lease.ts';
import type { Order } from './orders.ts';
import { settingsAreUntold } from './settings.ts';
import { isPastReturn, type RoleState } from './state.ts';
import type { Phased } from './step.ts';
import type { Timing } from './timing.ts';

/** A process that is killed is gone within milliseconds, unless a disk holds it. */
const hangUpMs = 200;

/** What must be so in this state, in order of urgency. */
export function ordersFor(state: RoleState, at: number, timing: Timing): Order[] {
  switch (state.phase.name) {
    case 'standby':
      return standbyOrders(state, at, timing);
    case 'promoting':
    case 'leading':
      return servingOrders(state, state.phase, timing);
    case 'handing-over':
      return handOverOrders(state, state.phase, timing);
    case 'stepping-down':
      return steppingDownOrders(state, state.phase, at, timing);
    case 'stopped':
      return [{ kind: 'exit' }];
  }
}

function standbyOrders(state: RoleState, at: number, timing: Timing): Order[] {
  const orders: Order[] = everythingOff(state);
  const standing = standingOf(state);
  const leader = state.cluster?.leader ?? null;
  if (leader !== null && leaderKeyIsMine(state)) {
    const cause = state.lastFailure ?? leftover;
    orders.push({ kind: 'leadership', want: 'release', epoch: leader.epoch, cause });
  } else if (leader !== null && leader.node !== state.nodeId && mayFollow(state, standing)) {
    const root = rootIdOf(standing);
    orders.push({ kind: 'replicator', want: 'follow', epoch: leader.epoch, leader: leader.node, root });
  } else {
    orders.push({ kind: 'replicator', want: 'idle' });
  }
  orders.push(...rootOrders(state, standing, isForcedHere(state)));
  if (standing.is === 'agreed') orders.push(...failedFileOrders(state));
  orders.push(...spareOrders(state));
  const wentBack = wentBackIn(state);
  if (wentBack !== null && mayTellRestored(state)) orders.push({ kind: 'restored', ...wentBack });
  const report = operationReport(state, 0);
  if (report !== null) orders.push({ kind: 'operation', epoch: 0, report });
  const claim = claimOrder(state, at, timing);
  if (claim !== null) orders.push(claim);
  return orders;
}

/** What this host holds is judged first, and a newcomer has left the in-sync set before anything reaches its roots. */
function mayFollow(state: RoleState, standing: Standing): boolean {
  return (standing.is === 'agreed' || standing.is === 'newcomer') && !mustLeave(state, standing);
}

/** Without its era a revision says nothing: it may only look as if it went back. Nobody leads meanwhile either. */
function mayTellRestored({ cluster }: RoleState): boolean {
  return cluster !== null && cluster.restored === null && !cluster.unreadable.includes('era');
}

/** The leader named this host as its successor: what takes long is done before clients are shut out. */
function spareOrders(state: RoleState): Order[] {
  const { leader, successor } = state.cluster ?? {};
  const awaited = successor?.node === state.nodeId && successor.epoch === leader?.epoch && !state.stopping;
  if (awaited) return [{ kind: 'spare', want: 'ready' }];
  return state.spare === 'absent' ? [] : [{ kind: 'spare', want: 'absent' }];
}

const leftover: Cause = {
  code: 'LEADERSHIP_LOST',
  sentence: 'the leadership was over when its key was read',
};

function everythingOff(state: RoleState): Order[] {
  const orders: Order[] = [];
  if (state.vip.is !== 'absent') orders.push({ kind: 'vip', want: 'absent' });
  if (state.node.is !== 'absent') orders.push({ kind: 'sftp-node', want: 'killed' });
  return orders;
}

function servingOrders(state: RoleState, phase: Phased<'promoting' | 'leading'>, timing: Timing): Order[] {
  const { epoch } = phase;
  const { lease } = state;
  if (lease === null) return [];
  const orders: Order[] = [];
  if (isServing(state, epoch)) {
    orders.push({ kind: 'gate', want: 'open', epoch, validUntilMs: leaseDeadlineMs(lease, timing) });
  }
  const standing = standingOf(state);
  orders.push(leadOrder(state, epoch, standing), ...rootOrders(state, standing, false));
  orders.push(...nodeOrders(state, phase));
  if (state.vipFreeFor === epoch) {
    orders.push({ kind: 'vip', want: 'present', epoch, leaseEndsAtMs: lease.endsAtMs });
    if (vipIsOn(state, epoch)) orders.push({ kind: 'announce', epoch });
  } else {
    orders.push({ kind: 'vip', want: 'free', epoch });
  }
  if (phase.name === 'leading') orders.push(...recordOrders(state, epoch));
  return orders;
}

/** A replicator that started anew leads once its roots are known to be the same ones. */
function leadOrder(state: RoleState, epoch: number, standing: Standing): Order {
  const root = rootIdOf(standing);
  if (root === null) return { kind: 'replicator', want: 'idle' };
  const inSync = inSyncMembers(state) ?? [];
  return { kind: 'replicator', want: 'lead', epoch, inSync, root };
}

/** What etcd is to say beside the leader key. */
function recordOrders(state: RoleState, epoch: number): Order[] {
  const orders: Order[] = [];
  if (state.cluster?.successor?.epoch === epoch) orders.push({ kind: 'successor', epoch, node: null });
  const { paused, unreadable = [], revisions, format } = state.cluster ?? {};
  if (paused != null && !unreadable.includes('paused') && paused.leader !== state.nodeId) {
    orders.push({ kind: 'pause', epoch, leader: state.nodeId });
  }
  const members = state.knownInSync;
  if (members !== null && state.cluster !== null && !isInSyncReadable(state.cluster)) {
    orders.push({ kind: 'in-sync', epoch, members, modRevision: state.cluster.revisions.insync });
  }
  if (format === null && revisions?.format === 0) orders.push({ kind: 'format', epoch });
  if (settingsAreUntold(state)) orders.push({ kind: 'settings', epoch, values: state.settings });
  const report = operationReport(state, epoch);
  if (report !== null) orders.push({ kind: 'operation', epoch, report });
  return orders;
}

/**
 * The SFTP node needs host keys, which the replicator makes on the first leader of a cluster, before it says that it
 * leads; if there are none then, the SFTP node is started all the same and says what is wrong with them. One that died under
 * this epoch starts again under a new one, because the journal's sequence died with it.
 */
function nodeOrders(state: RoleState, phase: Phased<'promoting' | 'leading'>): Order[] {
  const { node, lease } = state;
  if (phase.name === 'leading' && node.is === 'absent') {
    return lease === null
      ? []
      : [{ kind: 'leadership', want: 'renew-epoch', epoch: phase.epoch, leaseId: lease.id }];
  }
  if (node.is !== 'absent' && node.epoch !== phase.epoch) return [{ kind: 'sftp-node', want: 'killed' }];
  const mayBeMade = !replicatorLeads(state, phase.epoch);
  if (state.replicator.hostKeyFingerprints.length === 0 && mayBeMade) return [];
  return [{ kind: 'sftp-node', want: 'running', epoch: phase.epoch }];
}

function handOverOrders(state: RoleState, phase: Phased<'handing-over'>, timing: Timing): Order[] {
  const { epoch, step, to, lease } = { ...phase, lease: state.lease };
  const report = operationReport(state, epoch);
  const orders: Order[] = [
    leadOrder(state, epoch, standingOf(state)),
    ...(report === null ? [] : [{ kind: 'operation', epoch, report } as const]),
  ];
  if (isPastReturn(step) || lease === null) {
    return [...leavingOrders(phase), ...orders];
  }
  orders.push({ kind: 'vip', want: 'present', epoch, leaseEndsAtMs: lease.endsAtMs });
  orders.push({ kind: 'announce', epoch });
  if (to !== null) orders.push({ kind: 'successor', epoch, node: to.node });
  if (step === 'handing-off') {
    const handOff: Order[] = to === null ? [] : [{ kind: 'hand-off', epoch, to: to.node }];
    return [{ kind: 'gate', want: 'shut', epoch }, ...handOff, ...orders];
  }
  if (step === 'draining') {
    orders.unshift({ kind: 'sftp-node', want: 'drained', epoch, limitMs: phase.drainMs });
  }
  // Everything is served until the SFTP node has drained.
  if (isServing(state, epoch)) {
    orders.unshift({ kind: 'gate', want: 'open', epoch, validUntilMs: leaseDeadlineMs(lease, timing) });
  }
  return orders;
}

function leavingOrders({ epoch, step, to, ...move }: Phased<'handing-over'>): Order[] {
  if (step !== 'transferring') {
    return [
      { kind: 'sftp-node', want: 'stopped', epoch },
      { kind: 'vip', want: 'absent' },
    ];
  }
  const { cause, operationId, closedAtMs } = move;
  if (to === null) return [{ kind: 'leadership', want: 'release', epoch, cause }];
  return [
    { kind: 'leadership', want: 'transfer', epoch, to, cause, operationId, closedAtMs: closedAtMs ?? 0 },
  ];
}

function steppingDownOrders(
  state: RoleState,
  phase: Phased<'stepping-down'>,
  at: number,
  timing: Timing,
): Order[] {
  const leader = leaderKeyIsMine(state) && !isLeaseOver(state, at, timing) ? state.cluster?.leader : null;
  const keepsAddress = leader != null && mayHangUpFirst(state, phase, at);
  const orders: Order[] = [
    { kind: 'gate', want: 'shut', epoch: phase.epoch },
    ...(keepsAddress ? [] : [{ kind: 'vip', want: 'absent' } as const]),
    { kind: 'sftp-node', want: 'killed' },
    { kind: 'replicator', want: 'idle' },
  ];
  if (leader != null && isOff(state, phase, at, timing))
    orders.push({ kind: 'leadership', want: 'release', epoch: leader.epoch, cause: phase.cause });
  return orders;
}

/**
 * Connections of clients end with the SFTP node. If the address went before, nobody would be told: a client without
 * keepalive that waits for an answer would wait for hours. Only while nobody else can have the address yet.
 */
function mayHangUpFirst(
  { node, nodeIsStuck }: RoleState,
  phase: Phased<'stepping-down'>,
  at: number,
): boolean {
  return node.is !== 'absent' && !nodeIsStuck && at - phase.sinceMs < hangUpMs;
}
