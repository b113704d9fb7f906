import { comparePositions, type NodeId } from '#contracts/identities.ts';
import type { Cause } from '../cause.ts';
import { type Candidate, candidatesOf } from '../leadership/candidates.ts';
import { overriddenBy, overriddenBySwitchover } from '../leadership/overridden.ts';
import { type ClusterView, unreadableLeader } from '../records/records.ts';
import { mayBeReplaced } from './machine.ts';
import type { OperationRequest } from './request.ts';

/** What would be done, and what stands against it. */
export interface Plan {
  readonly from: NodeId | null;
  readonly to: NodeId | null;
  readonly candidates: readonly Candidate[];
  readonly refusal: Cause | null;
}

export function planOf(request: OperationRequest, cluster: ClusterView, wallMs: number): Plan {
  const running = cluster.operation;
  const leader = cluster.leader?.node ?? null;
  const candidates =
    request.kind === 'switchover' ? candidatesOf(cluster, leader ?? '') : failoverCandidates(cluster);
  const plan = { from: leader, to: request.to ?? candidates[0]?.node ?? null, candidates };
  const refuse = (code: string, sentence: string): Plan => ({ ...plan, refusal: { code, sentence } });
  if (cluster.leader?.node === unreadableLeader) {
    const sentence =
      'the etcd key "leader" cannot be read, and nobody leads by it: see `holdfast etcd mend leader`';
    return refuse('ETCD_VALUE_INVALID', sentence);
  }
  if (running !== null && !mayBeReplaced(running, cluster.leader !== null)) {
    const when = running.at === null ? '' : ` for ${running.at}`;
    return refuse(
      'OPERATION_RUNNING',
      `${running.kind} ${running.id}${when}, asked for by ${running.requestedBy}, is ${running.state}`,
    );
  }
  if (request.at !== null && Date.parse(request.at) <= wallMs) {
    return refuse('REQUEST_INVALID', `${request.at} is in the past`);
  }
  const refusal =
    request.kind === 'switchover'
      ? againstSwitchover(request, cluster, plan)
      : againstFailover(request, cluster, plan);
  return { ...plan, refusal };
}

type Outline = Omit<Plan, 'refusal'>;

function againstSwitchover(request: OperationRequest, cluster: ClusterView, plan: Outline): Cause | null {
  if (plan.from === null) return { code: 'NOT_LEADING', sentence: 'nobody leads: there is nothing to move' };
  if (request.to === plan.from) return { code: 'ALREADY_LEADING', sentence: `${plan.from} leads already` };
  const unknown = againstUnknown(request.to, cluster);
  if (unknown !== null) return unknown;
  if (request.force && request.to === null) {
    return { code: 'REQUEST_INVALID', sentence: 'a forced switchover names the host that takes over' };
  }
  // What will be at its time is looked at then.
  return request.at === null ? againstTarget(plan, request.force ? overriddenBySwitchover : []) : null;
}

function againstFailover(request: OperationRequest, cluster: ClusterView, plan: Outline): Cause | null {
  if (plan.from !== null) return { code: 'LEADER_PRESENT', sentence: `${plan.from} leads` };
  if (request.at !== null)
    return { code: 'REQUEST_INVALID', sentence: 'a failover is done at once or not at all' };
  return againstUnknown(request.to, cluster) ?? againstTarget(plan, overriddenBy(request));
}

function againstUnknown(to: NodeId | null, cluster: ClusterView): Cause | null {
  if (to === null || cluster.nodes.some((node) => node.node === to)) return null;
  const known = [...cluster.peers.map((peer) => peer.node), ...(cluster.inSync?.members ?? [])];
  if (known.includes(to))
    return { code: 'TARGET_AWAY', sentence: `${to} is not there: it holds no lease at etcd` };
  const names = [...new Set(known)].sort().join(', ');
  return { code: 'TARGET_UNKNOWN', sentence: `there is no host ${to} in this cluster: ${names}` };
}

function againstTarget({ to, candidates }: Outline, ignored: readonly string[]): Cause | null {
  const target = candidates.find((candidate) => candidate.node === to);
  if (target === undefined) return { code: 'NO_CANDIDATE', sentence: 'no other host is there' };
  const [reason] = target.reasons.filter(({ code }) => !ignored.includes(code));
  if (reason === undefined) return null;
  return { code: 'TARGET_INELIGIBLE', sentence: `${to} may not lead: ${reason.code}: ${reason.sentence}` };
}

/** When nobody leads: who holds most comes first, as far as the hosts have told. */
function failoverCandidates(cluster: ClusterView): Candidate[] {
  const positions = new Map(cluster.nodes.map((node) => [node.node, node.position]));
  const none = { epoch: 0, sequence: 0 };
  const members = cluster.inSync?.members ?? [];
  return candidatesOf(cluster, '').sort(
    (a, b) =>
      Number(members.includes(b.node)) - Number(members.includes(a.node)) ||
      comparePositions(positions.get(b.node) ?? none, positions.get(a.node) ?? none) ||
      b.priority - a.priority,
  );
}
