import type { NodeId } from '#contracts/identities.ts';
import type { ClusterView } from '../records/records.ts';
import type { RoleState } from './state.ts';

/**
 * The in-sync set: as etcd holds it, or, while that is gone from etcd or cannot be read, as this host knew it last, which is
 * how a leader writes it again. Null: not known.
 */
export function inSyncMembers({
  cluster,
  knownInSync,
}: Pick<RoleState, 'cluster' | 'knownInSync'>): readonly NodeId[] | null {
  return cluster !== null && isInSyncReadable(cluster) ? cluster.inSync.members : knownInSync;
}

export function isInSyncReadable(
  cluster: ClusterView,
): cluster is ClusterView & { readonly inSync: NonNullable<ClusterView['inSync']> } {
  return cluster.inSync !== null && !cluster.unreadable.includes('insync');
}
