import { comparePositions, type NodeId, type Position } from '#contracts/identities.ts';
import type { Cause } from '../cause.ts';
import { eraAfter, type Restored } from '../records/era.ts';
import type { Pause } from '../records/operation.ts';
import type { ClusterView, NodeRecord } from '../records/records.ts';
import { isAboutRoots } from '../roots/agreement.ts';

/** How to go on with an etcd that was restored from an older snapshot, and what stands against it. */
export interface RestoredPlan {
  readonly restored: Restored | null;
  readonly era: number;
  /** Hosts that are there, those that hold most first. */
  readonly hosts: readonly { readonly node: NodeId; readonly position: Position }[];
  /** Those that hold most: they may lead, and the others follow them. */
  readonly members: readonly NodeId[];
  /** Hosts that are known and not there: what they hold beyond the others is lost to clients. */
  readonly away: readonly NodeId[];
  /** A pause of the snapshot is in force again: it still forbids what it forbade. */
  readonly paused: Pause | null;
  readonly refusal: Cause | null;
}

/**
 * What the restored in-sync set says is too old to go by. A host that took part in the latest leadership and holds
 * most of it holds all that was acknowledged, if no host of that leadership is away.
 */
export function planRestored(cluster: ClusterView): RestoredPlan {
  const hosts = cluster.nodes
    .map(({ node, position }) => ({ node, position }))
    .sort((a, b) => comparePositions(b.position, a.position) || a.node.localeCompare(b.node));
  // A newcomer shows a position whose files it may have lost.
  const newcomers = new Set(cluster.nodes.filter(isNewcomer).map(({ node }) => node));
  const sound = hosts.filter(({ node }) => !newcomers.has(node));
  const choice = sound.length > 0 ? sound : hosts;
  const [best] = choice;
  const members = choice
    .filter(({ position }) => best !== undefined && comparePositions(position, best.position) === 0)
    .map(({ node }) => node);
  const known = [...cluster.peers.map(({ node }) => node), ...(cluster.inSync?.members ?? [])];
  const away = [...new Set(known)].filter((node) => !hosts.some((host) => host.node === node)).sort();
  const latest = Math.max(
    cluster.revision,
    cluster.restored?.seen ?? 0,
    ...hosts.map(({ position }) => position.epoch),
  );
  return {
    restored: cluster.restored,
    era: eraAfter(latest),
    hosts,
    members,
    away,
    paused: cluster.paused,
    refusal: refusalOf(cluster, members),
  };
}

function isNewcomer({ ineligible }: NodeRecord): boolean {
  return ineligible.some(({ code }) => isAboutRoots(code));
}

function refusalOf({ restored, leader }: ClusterView, members: readonly NodeId[]): Cause | null {
  if (restored === null) return { code: 'NOT_RESTORED', sentence: 'etcd is not known to have gone back' };
  if (leader !== null)
    return { code: 'LEADER_PRESENT', sentence: `etcd still names ${leader.node} as leader` };
  if (members.length === 0) return { code: 'NO_CANDIDATE', sentence: 'no host is there' };
  return null;
}
