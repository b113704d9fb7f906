import { failoverUnderWay } from '../operation/failover.ts';
import { standingOf } from '../roots/standing.ts';
import { ineligibility } from './eligibility.ts';
import type { Order } from './orders.ts';
import { overriddenBy } from './overridden.ts';
import type { RoleState } from './state.ts';
import type { Timing } from './timing.ts';

/** The claim of a standby when nobody leads and it may; null otherwise (G5). */
export function claimOrder(state: RoleState, at: number, timing: Timing): Order | null {
  const { cluster, lease } = state;
  if (cluster === null || lease === null || cluster.leader !== null) return null;
  if (at - cluster.sentAtMs >= timing.leaseTtlMs) return null;
  // By force too: an operator's word has the roots admitted first.
  if (standingOf(state).is !== 'agreed') return null;
  const asked = failoverUnderWay(state);
  const ignored = asked === null ? forWantOfOthers(state, at, timing) : overriddenBy(asked);
  const reasons = ineligibility(state, at, timing).filter(({ code }) => !ignored.includes(code));
  if (reasons.length > 0) return null;
  if (asked === null && (isPausedFor(state) || givesPrecedence(state, at, timing))) return null;
  return {
    kind: 'leadership',
    want: 'claim',
    leaseId: lease.id,
    operationId: asked?.id ?? null,
    claim: {
      inSyncModRevision: cluster.revisions.insync,
      operationModRevision: asked?.modRevision ?? null,
      alone: asked?.force === true && cluster.inSync?.members.includes(state.nodeId) !== true,
      isNew: cluster.isNew,
    },
  };
}

/** Whether an operator wants this host to lead whatever it lacks. */
export function isForcedHere(state: RoleState): boolean {
  return state.cluster?.leader === null && failoverUnderWay(state)?.force === true;
}

/** When no other host has taken over for `maxBackoffMs`, a host that was left out for its failures tries again. */
function forWantOfOthers({ leaderlessSinceMs }: RoleState, at: number, timing: Timing): readonly string[] {
  const isLong = leaderlessSinceMs !== null && at - leaderlessSinceMs >= timing.maxBackoffMs;
  return isLong ? ['PROMOTIONS_FAILED'] : [];
}

/** During a pause nobody takes over but the host that led when it began. */
export function isPausedFor({ cluster, nodeId }: RoleState): boolean {
  return cluster?.paused != null && cluster.paused.leader !== nodeId;
}

/** A host of higher priority that may lead goes first, for as long as a claim takes. */
function givesPrecedence(state: RoleState, at: number, timing: Timing): boolean {
  const { cluster, leaderlessSinceMs, nodeId, priority } = state;
  if (leaderlessSinceMs === null || at - leaderlessSinceMs >= timing.precedenceMs) return false;
  const members = cluster?.inSync?.members ?? [];
  return (cluster?.nodes ?? []).some(
    (node) =>
      node.node !== nodeId &&
      node.priority > priority &&
      members.includes(node.node) &&
      node.ineligible.length === 0,
  );
}
