import type { Cause } from '../cause.ts';
import type { RoleState } from '../leadership/state.ts';
import type { WentBack } from '../records/era.ts';

/**
 * Whether etcd was restored from a snapshot, as far as this host can tell: it remembers a later revision, or it or
 * another host has taken part in a leadership of a later epoch. What the in-sync set says may then be too old to go by
 * (G5), and epochs would go back (G1).
 */
export function wentBackIn({ cluster, revisionsLost, replicator }: RoleState): WentBack | null {
  if (cluster === null) return revisionsLost;
  if (cluster.restored !== null) return cluster.restored;
  if (revisionsLost !== null) return revisionsLost;
  // A leadership that is newer than what was read of etcd is nothing strange.
  const told = cluster.sentAtMs > replicator.seen.sinceMs ? replicator.seen.epoch : 0;
  const seen = Math.max(told, ...cluster.nodes.map((node) => node.position.epoch));
  return seen > cluster.revision ? { seen, found: cluster.revision } : null;
}

export function restoredCause({ seen, found }: WentBack): Cause {
  return {
    code: 'ETCD_WENT_BACK',
    sentence: `etcd is at revision ${found}, and ${seen} was seen before: it was restored from an older snapshot`,
  };
}
