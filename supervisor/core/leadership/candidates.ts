import type { NodeId } from '#contracts/identities.ts';
import type { Cause } from '../cause.ts';
import type { ClusterView, LiveNode } from '../records/records.ts';
import type { RoleState, Successor } from './state.ts';

/** A host other than the leader, and every reason why it may not be handed leadership; empty when it may. */
export interface Candidate {
  readonly node: NodeId;
  readonly leaseId: string;
  readonly priority: number;
  readonly reasons: readonly Cause[];
}

/**
 * All hosts but `self`, the best first: those that may lead, by priority, then by name. Position does not come in:
 * every member of the in-sync set holds all that was acknowledged, and nobody else is a candidate.
 */
export function candidatesOf(cluster: ClusterView | null, self: NodeId): Candidate[] {
  const members = cluster?.inSync?.members ?? [];
  return (cluster?.nodes ?? [])
    .filter((node) => node.node !== self)
    .map((node) => ({
      node: node.node,
      leaseId: node.leaseId,
      priority: node.priority,
      reasons: reasonsAgainst(node, members),
    }))
    .sort(
      (a, b) =>
        Number(a.reasons.length > 0) - Number(b.reasons.length > 0) ||
        b.priority - a.priority ||
        a.node.localeCompare(b.node),
    );
}

function reasonsAgainst(node: LiveNode, members: readonly NodeId[]): Cause[] {
  if (members.includes(node.node) || node.ineligible.some(({ code }) => code === 'NOT_IN_SYNC')) {
    return node.ineligible;
  }
  const sentence = `the in-sync set is {${members.join(', ')}}: ${node.node} may lack acknowledged files`;
  return [...node.ineligible, { code: 'NOT_IN_SYNC', sentence }];
}

/** What is wrong while no host but the leader may lead. */
export function noSuccessorCause(leader: NodeId): Cause {
  const sentence = `no host could take over from ${leader}: if it died now, nobody would serve`;
  return { code: 'NO_SUCCESSOR', sentence };
}

/** The standby that is handed leadership when the operator names none. */
export function successorOf(state: RoleState): Successor | null {
  const [best] = candidatesOf(state.cluster, state.nodeId);
  return best === undefined || best.reasons.length > 0 ? null : { node: best.node, leaseId: best.leaseId };
}

/** The host that the operator named, whatever reasons against it are ignored, or the sentence that says why it cannot be. */
export function namedSuccessor(
  state: RoleState,
  node: NodeId,
  ignored: readonly string[] = [],
): Successor | Cause {
  const candidate = candidatesOf(state.cluster, state.nodeId).find((one) => one.node === node);
  if (candidate === undefined) {
    return { code: 'TARGET_AWAY', sentence: `${node} is not there: it holds no lease at etcd` };
  }
  const [reason] = candidate.reasons.filter(({ code }) => !ignored.includes(code));
  if (reason === undefined) return { node, leaseId: candidate.leaseId };
  return { code: 'TARGET_INELIGIBLE', sentence: `${node} may not lead: ${reason.code}: ${reason.sentence}` };
}
