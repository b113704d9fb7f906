import type { Cause } from '../cause.ts';
import { isInSyncReadable } from './in-sync.ts';
import type { Order } from './orders.ts';
import type { ReplicatorFact, RoleState } from './state.ts';

/**
 * A standby fetches files anew whose flush failed (P6). It takes them away first, so it leaves the in-sync set before;
 * while nobody else leads it does neither: what it has may be the best there is.
 */
export function failedFileOrders({ cluster, nodeId, replicator }: RoleState): Order[] {
  const { failedFiles, role } = replicator;
  if (failedFiles === null || role !== 'follower') return [];
  if (cluster === null || !isInSyncReadable(cluster)) return [];
  const { leader, inSync } = cluster;
  if (leader === null || leader.node === nodeId) return [];
  if (!inSync.members.includes(nodeId)) return [{ kind: 'replace-failed-files' }];
  return [{ kind: 'leave', modRevision: inSync.modRevision, cause: flushFailedCause(failedFiles) }];
}

export function flushFailedCause({ files, first }: NonNullable<ReplicatorFact['failedFiles']>): Cause {
  const which = files === 1 ? first : `${files} files, one of them ${first},`;
  return {
    code: 'FLUSH_FAILED',
    sentence: `the disk of this host did not take what was written to ${which}`,
  };
}
