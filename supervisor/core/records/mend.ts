import { eraAfter } from './era.ts';
import { type ClusterView, type SingleKey, unreadableLeader } from './records.ts';

/** A key of etcd that cannot be read, and what would be done about it. */
export interface MendPlan {
  readonly key: SingleKey;
  readonly modRevision: number;
  /** What is wrong with it. */
  readonly what: string;
  /** What follows when it is taken away. */
  readonly consequence: string;
  /** The era that is written in its place; null: the key is deleted. */
  readonly era: number | null;
}

const consequences: Readonly<Record<SingleKey, string>> = {
  leader: 'nobody leads, and the hosts that are in sync may take over',
  insync:
    'the living leader writes it again; while nobody leads, only `holdfast failover --force` makes a host lead',
  operation: 'no operation is under way',
  successor: 'nobody is about to take over',
  paused: 'no pause is in force: hosts take over by themselves',
  departure: 'the history will not say why the last leader went',
  era: 'epochs go on, larger than all that are known',
  restored: 'etcd counts as never restored, unless a host remembers more than etcd holds',
  settings: 'the leader tells its settings again; while nobody leads, hosts are compared with nobody',
  format: 'the next leader writes it again',
};

export function planMend(cluster: ClusterView): MendPlan[] {
  return cluster.unreadable.map((key) => ({
    key,
    modRevision: cluster.revisions[key],
    what: cluster.problems.find((problem) => problem.key.endsWith(`/${key}`))?.what ?? 'cannot be read',
    consequence: consequences[key],
    era: key === 'era' ? eraOf(cluster) : null,
  }));
}

/** With a leader its own era, which its key tells; otherwise one whose epochs are larger than all that are known. */
function eraOf({ leader, era, nodes, restored }: ClusterView): number {
  if (leader !== null && leader.node !== unreadableLeader) return eraAfter(leader.epoch) - 1;
  const known = [restored?.seen ?? 0, ...nodes.map(({ position }) => position.epoch)];
  return Math.max(era, eraAfter(Math.max(...known)));
}
