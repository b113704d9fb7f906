import { type RootRecord, rootIdsOf } from '#contracts/roots.ts';
import type { Cause } from '../cause.ts';
import type { Order } from '../leadership/orders.ts';
import type { RoleState } from '../leadership/state.ts';
import type { HostRecord, StoredHost } from '../records/host.ts';
import { type Agreement, agreementOf } from './agreement.ts';

/** `unknown` until the replicator has told of the roots, and etcd of the cluster. */
export type Standing = Agreement | { readonly is: 'unknown' };

export function standingOf({ cluster, clusterName, nodeId, replicator }: RoleState): Standing {
  const { roots, highestEpoch } = replicator;
  if (cluster === null || roots === null) return { is: 'unknown' };
  return agreementOf({
    cluster: clusterName,
    node: nodeId,
    roots,
    highestEpoch,
    known: knownHost(cluster.hosts, nodeId),
    founded: !cluster.isNew,
  });
}

/** Why this host may not lead, by what its roots say. */
export function rootCauseOf(standing: Standing): Cause | null {
  switch (standing.is) {
    case 'agreed':
      return null;
    case 'newcomer':
      return standing.cause;
    case 'unknown':
      return { code: 'REPLICATOR_DOWN', sentence: 'the replicator has not told yet what this host holds' };
    case 'nameless':
      return { code: 'REPLICATOR_DOWN', sentence: 'the roots of this host have no identity yet' };
  }
}

/** The id with which this host may lead and follow as one that holds what it says; null: it is a newcomer. */
export function rootIdOf(standing: Standing): string | null {
  return standing.is === 'agreed' ? standing.id : null;
}

/**
 * Whether a newcomer has to leave the in-sync set before it does anything else. One that follows was taken in by its
 * leader, and is a newcomer for no longer than its admission takes.
 */
export function mustLeave(state: RoleState, standing: Standing): boolean {
  const isMember = state.cluster?.inSync?.members.includes(state.nodeId) === true;
  return standing.is === 'newcomer' && isMember && state.replicator.role !== 'follower';
}

/**
 * The orders that make roots and records agree: a newcomer leaves the in-sync set, roots get an identity once they have
 * proved what they hold, and etcd is told what this host holds while it is in sync.
 *
 * @param isForced an operator wants this host to lead with what it has
 */
export function rootOrders(state: RoleState, standing: Standing, isForced: boolean): Order[] {
  const { cluster, nodeId, replicator } = state;
  const { roots } = replicator;
  const inSync = cluster?.inSync ?? null;
  if (cluster === null || roots === null || standing.is === 'unknown') return [];
  if (mustLeave(state, standing) && standing.is === 'newcomer' && inSync !== null) {
    return [{ kind: 'leave', modRevision: inSync.modRevision, cause: standing.cause }];
  }
  const isMember = inSync?.members.includes(nodeId) === true;
  const isProven = replicator.role === 'follower' && replicator.caughtUp;
  if (standing.is === 'nameless' || (standing.is === 'newcomer' && (isProven || (isForced && !isMember)))) {
    return [{ kind: 'admit', replaces: rootIdsOf(roots), at: cluster.revision }];
  }
  const { record } = roots.state;
  if (standing.is !== 'agreed' || !isMember || record === null) return [];
  const known = knownHost(cluster.hosts, nodeId);
  const told = hostRecordOf(nodeId, record);
  if (known?.id === told.id && known.revision >= told.revision) return [];
  return [
    { kind: 'host', record: told, modRevision: known?.modRevision ?? cluster.unreadableHosts[nodeId] ?? 0 },
  ];
}

function hostRecordOf(node: string, { id, admittedAt, held, revision }: RootRecord): HostRecord {
  return { node, id, admittedAt, held, revision };
}

function knownHost(hosts: readonly StoredHost[], node: string): StoredHost | null {
  return hosts.find((host) => host.node === node) ?? null;
}
