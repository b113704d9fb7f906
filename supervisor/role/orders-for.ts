import { isServing, leaderKeyIsMine } from './advance.ts';
import { ineligibility } from './eligibility.ts';
import { leaseDeadlineMs } from './lease.ts';
import type { Order } from './orders.ts';
import type { Phase, RoleState } from './state.ts';
import type { Timing } from './timing.ts';

type Phased<Name extends Phase['name']> = Extract<Phase, { name: Name }>;

/** What must be so in this state, in order of urgency. */
export function ordersFor(state: RoleState, at: number, timing: Timing): Order[] {
  switch (state.phase.name) {
    case 'standby':
      return standbyOrders(state, at, timing);
    case 'promoting':
    case 'leading':
      return servingOrders(state, state.phase, timing);
    case 'handing-over':
      return handOverOrders(state, state.phase);
    case 'stepping-down':
      return steppingDownOrders(state, state.phase, at, timing);
    case 'stopped':
      return [{ kind: 'exit' }];
  }
}

function standbyOrders(state: RoleState, at: number, timing: Timing): Order[] {
  const orders: Order[] = everythingOff(state);
  const leader = state.cluster?.leader ?? null;
  if (leader !== null && leaderKeyIsMine(state)) {
    orders.push({ kind: 'leadership', want: 'release', epoch: leader.epoch });
  } else if (leader !== null && leader.node !== state.nodeId) {
    orders.push({ kind: 'replicator', want: 'follow', epoch: leader.epoch, leader: leader.node });
  } else {
    orders.push({ kind: 'replicator', want: 'idle' });
  }
  const known = state.cluster !== null && at - state.cluster.sentAtMs < timing.leaseTtlMs;
  if (known && leader === null && state.lease !== null && ineligibility(state, at, timing).length === 0) {
    orders.push({
      kind: 'leadership',
      want: 'claim',
      leaseId: state.lease.id,
      inSyncModRevision: state.cluster?.inSync?.modRevision ?? 0,
    });
  }
  return orders;
}

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
  orders.push({ kind: 'replicator', want: 'lead', epoch, inSync: state.cluster?.inSync?.members ?? [] });
  orders.push(...nodeOrders(state, phase));
  if (state.vipFreeFor === epoch) {
    orders.push({ kind: 'vip', want: 'present', epoch, leaseEndsAtMs: lease.endsAtMs });
    if (state.vip.is === 'present' && state.vip.epoch === epoch) orders.push({ kind: 'announce', epoch });
  } else {
    orders.push({ kind: 'vip', want: 'free', epoch });
  }
  return orders;
}

/**
 * The SFTP node needs host keys, which the replicator makes on the first leader of a cluster. One that died under
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
  if (state.replicator.hostKeyFingerprints.length === 0) return [];
  return [{ kind: 'sftp-node', want: 'running', epoch: phase.epoch }];
}

function handOverOrders(state: RoleState, phase: Phased<'handing-over'>): Order[] {
  const { epoch, step, to } = phase;
  const orders: Order[] = [
    { kind: 'replicator', want: 'lead', epoch, inSync: state.cluster?.inSync?.members ?? [] },
  ];
  if (step !== 'vip-off' && step !== 'transferring' && state.lease !== null) {
    orders.push({ kind: 'vip', want: 'present', epoch, leaseEndsAtMs: state.lease.endsAtMs });
  }
  switch (step) {
    case 'closing':
      return [{ kind: 'gate', want: 'shut', epoch }, ...orders];
    case 'handing-off':
      return to === null ? orders : [...orders, { kind: 'hand-off', epoch, to: to.node }];
    case 'stopping-node':
      return [...orders, { kind: 'sftp-node', want: 'stopped', epoch }];
    case 'vip-off':
      return [...orders, { kind: 'vip', want: 'absent' }];
    case 'transferring':
      return [
        ...orders,
        to === null
          ? { kind: 'leadership', want: 'release', epoch }
          : { kind: 'leadership', want: 'transfer', epoch, to },
      ];
  }
}

function steppingDownOrders(
  state: RoleState,
  phase: Phased<'stepping-down'>,
  at: number,
  timing: Timing,
): Order[] {
  const orders: Order[] = [
    { kind: 'gate', want: 'shut', epoch: phase.epoch },
    { kind: 'vip', want: 'absent' },
    { kind: 'sftp-node', want: 'killed' },
    { kind: 'replicator', want: 'idle' },
  ];
  const off = state.node.is === 'absent' && state.vip.is === 'absent';
  const alive = state.lease !== null && at < leaseDeadlineMs(state.lease, timing);
  const leader = state.cluster?.leader;
  if (off && alive && leader && leaderKeyIsMine(state)) {
    orders.push({ kind: 'leadership', want: 'release', epoch: leader.epoch });
  }
  return orders;
}
