import type { NodeId } from '#contracts/identities.ts';
import type { Cause } from '../cause.ts';
import { type ClusterView, formatVersion, type SingleKey } from '../records/records.ts';
import { restoredCause, wentBackIn } from '../restored/went-back.ts';
import { rootCauseOf, standingOf } from '../roots/standing.ts';
import { leaseDeadlineMs } from './lease.ts';
import { settingsCause } from './settings.ts';
import type { RoleState } from './state.ts';
import type { Timing } from './timing.ts';

/**
 * Every reason why this host may not claim leadership by itself now (G5); empty when it may. What is wrong with this
 * host is told whether or not somebody leads at the moment.
 */
export function ineligibility(state: RoleState, at: number, timing: Timing): Cause[] {
  const reasons: Cause[] = [];
  const add = (code: string, sentence: string) => reasons.push({ code, sentence });

  if (state.stopping) add('STOPPING', 'the supervisor is stopping');
  if (state.noFailover) add('NO_FAILOVER', 'node.noFailover is set');
  if (state.lease === null || at >= leaseDeadlineMs(state.lease, timing)) {
    add('NO_LEASE', 'this host holds no live lease at etcd');
  }
  if (!state.replicator.ready) add('REPLICATOR_DOWN', 'the replicator is not running');
  if (state.engineSilentSinceMs !== null)
    add('ENGINE_SILENT', 'the storage engine says nothing: its disk stands still, or it was stopped');
  if (state.vip.is === 'unknown')
    add('VIP_UNKNOWN', 'it is not certain that the virtual IP is off this host');
  if (state.phase.name === 'standby' && state.node.is !== 'absent') {
    add('SFTP_NODE_STUCK', 'the SFTP node of an earlier leadership does not end: its disk stands still');
  }
  if (state.cluster === null) add('CLUSTER_UNKNOWN', 'the cluster state could not be read yet');
  else reasons.push(...againstByCluster(state.cluster, state.nodeId));
  if (state.cluster !== null && state.replicator.ready) {
    const cause = rootCauseOf(standingOf(state));
    if (cause !== null) reasons.push(cause);
  }
  const wentBack = wentBackIn(state);
  if (wentBack !== null) reasons.push(restoredCause(wentBack));
  const settings = settingsCause(state);
  if (settings !== null) reasons.push(settings);
  reasons.push(...state.unfit);
  return [...reasons, ...failuresOf(state, at, timing)];
}

/** What etcd says against this host. A record that is missing or cannot be read makes nobody eligible. */
function againstByCluster(cluster: ClusterView, nodeId: NodeId): Cause[] {
  const reasons: Cause[] = [];
  const { inSync, isNew, format, unreadable } = cluster;
  if (inSync === null && !isNew) {
    const sentence =
      'etcd holds no in-sync set, though this cluster has had a leader: who holds everything is not known';
    reasons.push({ code: 'IN_SYNC_MISSING', sentence });
  } else if (inSync !== null && !inSync.members.includes(nodeId)) {
    const set = unreadable.includes('insync') ? 'cannot be read' : `is {${inSync.members.join(', ')}}`;
    reasons.push({
      code: 'NOT_IN_SYNC',
      sentence: `the in-sync set ${set}: this host may lack acknowledged files`,
    });
  }
  if (format !== null && format.version > formatVersion) {
    const sentence = `the cluster's format in etcd is ${format.version}, this release knows ${formatVersion}`;
    reasons.push({ code: 'FORMAT_UNKNOWN', sentence });
  }
  for (const key of unreadable.filter((name) => forbidding.includes(name))) {
    const sentence = `the etcd key "${key}" cannot be read: \`holdfast etcd mend ${key}\` shows it and what to do`;
    reasons.push({ code: 'ETCD_VALUE_INVALID', sentence });
  }
  return reasons;
}

/** Keys that could forbid to lead: while one cannot be read, it does. */
const forbidding: readonly SingleKey[] = ['era', 'restored', 'format'];

/** No flapping: a host whose promotions fail waits longer each time, and after a few leaves it to the others. */
function failuresOf(state: RoleState, at: number, timing: Timing): Cause[] {
  const { failedPromotions, claimNotBeforeMs, lastFailure, phase } = state;
  if (phase.name !== 'standby' && phase.name !== 'stepping-down') return [];
  const reasons: Cause[] = [];
  const failed = `the last ${Math.max(1, failedPromotions)} promotion(s) failed`;
  const last = lastFailure === null ? '' : `: ${lastFailure.code} ${lastFailure.sentence}`;
  if (at < claimNotBeforeMs) {
    const seconds = Math.ceil((claimNotBeforeMs - at) / 1000);
    reasons.push({ code: 'BACKOFF', sentence: `${failed}, next try in ${seconds} s${last}` });
  }
  const forgottenAtMs = state.promotionFailedAtMs + timing.failuresForgottenAfterMs;
  if (failedPromotions >= timing.maxFailedPromotions && at < forgottenAtMs) {
    const minutes = Math.ceil((forgottenAtMs - at) / 60_000);
    const patience = `${timing.maxBackoffMs / 1000} s`;
    const sentence = `${failed}, left to other hosts for ${minutes} min, until \`holdfast clear\`, or until nobody has led for ${patience}${last}`;
    reasons.push({ code: 'PROMOTIONS_FAILED', sentence });
  }
  return reasons;
}
