import type { Cause } from '../cause.ts';
import { unreadableLeader } from '../records/records.ts';
import { restoredCause, wentBackIn } from '../restored/went-back.ts';
import { standingOf } from '../roots/standing.ts';
import { leaseDeadlineMs } from './lease.ts';
import type { RoleState } from './state.ts';
import type { Phased } from './step.ts';
import type { Timing } from './timing.ts';

/** Whether etcd says that this host leads, on the lease that it holds now and not one of an earlier run. */
export function leaderKeyIsMine(state: RoleState): boolean {
  const leader = state.cluster?.leader;
  return leader?.node === state.nodeId && state.lease !== null && leader.leaseId === state.lease.id;
}

/** The SFTP node listens, the virtual IP is on, and the replicator takes the journal: the gate may be open. */
export function isServing(state: RoleState, epoch: number): boolean {
  return nodeListens(state, epoch) && vipIsOn(state, epoch) && replicatorLeads(state, epoch);
}

export function nodeListens({ node }: RoleState, epoch: number): boolean {
  return node.is === 'listening' && node.epoch === epoch;
}

export function vipIsOn({ vip }: RoleState, epoch: number): boolean {
  return vip.is === 'present' && vip.epoch === epoch;
}

export function replicatorLeads({ replicator }: RoleState, epoch: number): boolean {
  return replicator.role === 'leader' && replicator.highestEpoch === epoch;
}

export function isLeaseOver(state: RoleState, at: number, timing: Timing): boolean {
  return state.lease === null || at >= leaseDeadlineMs(state.lease, timing);
}

/**
 * Nothing of this leadership can be served or acknowledged here any more. An SFTP node that a frozen disk holds cannot
 * be ended, but its gate ends by itself, by boot time, also if it wakes up again. An address that cannot be taken off,
 * as when `ip` hangs, is taken off by the kernel before the lease ends for which it was put on, as if this host had died:
 * after a while for further tries the key is let go, or this host would keep the others from leading for ever.
 */
export function isOff(
  { node, vip }: RoleState,
  phase: Phased<'stepping-down'>,
  at: number,
  timing: Timing,
): boolean {
  const hasEndedByItself = at >= phase.gateEndsAtMs;
  const isGivenUp = hasEndedByItself && at - phase.sinceMs >= timing.vipRemovalLimitMs;
  return (vip.is === 'absent' || isGivenUp) && (node.is === 'absent' || hasEndedByItself);
}

/** Why this host does not lead at `epoch` any more; null while it does. */
export function lossOf(state: RoleState, epoch: number, at: number, timing: Timing): Cause | null {
  if (isLeaseOver(state, at, timing)) {
    return { code: 'LEASE_LOST', sentence: 'the lease was not renewed in time' };
  }
  const wentBack = wentBackIn(state);
  if (wentBack !== null) return restoredCause(wentBack);
  // A disk that went away under a leader: what is left must neither be served nor copied to the others.
  const standing = standingOf(state);
  if (standing.is === 'newcomer') return standing.cause;
  const { highestEpoch } = state.replicator;
  if (highestEpoch > epoch) {
    const sentence = `epoch ${highestEpoch} was seen, this leadership is ${epoch}: there is a newer leader`;
    return { code: 'EPOCH_STALE', sentence };
  }
  const leader = state.cluster?.leader;
  if (leaderKeyIsMine(state) && leader?.epoch === epoch) return null;
  if (leader?.node === unreadableLeader) {
    const sentence = 'the leader key holds what Holdfast did not write: see `holdfast etcd mend leader`';
    return { code: 'LEADERSHIP_LOST', sentence };
  }
  const who = leader ? `${leader.node} leads at epoch ${leader.epoch}` : 'the leader key is gone';
  return { code: 'LEADERSHIP_LOST', sentence: `etcd says that ${who}` };
}
