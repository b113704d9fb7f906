import type { WentBack } from '../records/era.ts';
import type { ClusterView } from '../records/records.ts';
import type { RoleEvent } from './events.ts';
import { inSyncMembers } from './in-sync.ts';
import { isReplicated } from './replicated-cause.ts';
import { absentReplicator, epochOf, type RoleState } from './state.ts';
import type { Timing } from './timing.ts';

/** Folds one observation into the facts. Decides nothing. What belongs to another epoch or lease changes nothing. */
export function absorb(state: RoleState, event: RoleEvent, timing: Timing): RoleState {
  switch (event.type) {
    case 'tick':
      return state;
    case 'lease-renewed':
      return absorbLease(state, event, timing);
    case 'lease-gone':
      return state.lease?.id === event.id ? { ...state, lease: null } : state;
    case 'cluster-read':
    case 'leader-seen':
    case 'leader-written':
    case 'leader-released':
      return absorbCluster(state, event);
    case 'in-sync-changed':
      return event.epoch === epochOf(state.phase) ? { ...state, knownInSync: event.members } : state;
    case 'replicator-ready':
    case 'replicator-status':
    case 'replicator-gone':
    case 'handed-off':
      return absorbReplicator(state, event);
    case 'engine-silent':
      return { ...state, engineSilentSinceMs: event.isSilent ? event.at : null };
    case 'spare':
      return { ...state, spare: event.is };
    case 'node-starting':
    case 'node-listening':
    case 'node-gate-shut':
    case 'node-stuck':
    case 'node-exited':
      return absorbNode(state, event);
    case 'vip-free':
      return { ...state, vipFreeFor: event.epoch };
    case 'vip-present':
      return { ...state, vip: { is: 'present', epoch: event.epoch }, vipFailures: 0 };
    case 'vip-absent':
      return { ...state, vip: { is: 'absent' } };
    case 'vip-failed':
      if (event.epoch !== epochOf(state.phase)) return state;
      return { ...state, vipFailures: state.vipFailures + 1, failure: event.cause };
    case 'watchdog-failed':
      return event.epoch === epochOf(state.phase) ? { ...state, failure: event.cause } : state;
    case 'announced':
      return { ...state, announcedFor: event.epoch };
    case 'health':
      return {
        ...state,
        unfit: event.unfit,
        unfitSinceMs: event.unfit.length === 0 ? null : (state.unfitSinceMs ?? event.at),
      };
    case 'cleared':
      return { ...state, failedPromotions: 0, claimNotBeforeMs: 0, lastFailure: null };
    case 'stop':
      return { ...state, stopping: true };
  }
}

/** A renewal counts from when it was sent; one that was sent earlier but answered later takes nothing back. */
function absorbLease(
  state: RoleState,
  event: RoleEvent & { type: 'lease-renewed' },
  timing: Timing,
): RoleState {
  const endsAtMs = event.sentAtMs + timing.leaseTtlMs;
  const known = state.lease?.id === event.id ? state.lease.endsAtMs : 0;
  return { ...state, lease: { id: event.id, endsAtMs: Math.max(known, endsAtMs) } };
}

type ClusterEvent = RoleEvent & {
  type: 'cluster-read' | 'leader-seen' | 'leader-written' | 'leader-released';
};

function absorbCluster(state: RoleState, event: ClusterEvent): RoleState {
  const known = state.cluster;
  const accept = (cluster: ClusterView): RoleState => ({
    ...state,
    cluster,
    clusterKnownAtMs: event.at,
    leaderlessSinceMs: cluster.leader === null ? (state.leaderlessSinceMs ?? event.at) : null,
  });
  if (event.type === 'cluster-read') {
    const { view } = event;
    // Reads and writes overtake each other. A read that was sent after the newest answer had come, and yet shows an
    // older revision, was not overtaken: etcd was restored from a snapshot, and what it says now is what holds.
    const overtaken =
      known !== null && view.revision < known.revision && view.sentAtMs <= state.clusterKnownAtMs;
    if (overtaken) return state;
    return {
      ...accept(view),
      knownInSync: inSyncMembers({ cluster: view, knownInSync: state.knownInSync }),
      revisionsLost: revisionsLost(state, view),
      operationAppeared: operationAppeared(state, event),
    };
  }
  if (known === null) return state;
  if (event.type === 'leader-seen') {
    const { leader, revision } = event;
    return revision > known.revision ? accept({ ...known, revision, leader }) : state;
  }
  if (event.type === 'leader-written') {
    const revision = Math.max(known.revision, event.leader.epoch);
    return accept({ ...known, revision, leader: event.leader });
  }
  if (known.leader?.epoch !== event.epoch) return state;
  const revision = Math.max(known.revision, event.leader?.epoch ?? 0);
  return accept({ ...known, revision, leader: event.leader });
}

/** One that was there when this host came has no such time. */
function operationAppeared(
  { cluster, operationAppeared: appeared }: RoleState,
  { view }: RoleEvent & { type: 'cluster-read' },
): RoleState['operationAppeared'] {
  const id = view.operation?.id;
  if (id === undefined || cluster === null) return null;
  return id === cluster.operation?.id ? appeared : { id, afterMs: cluster.sentAtMs };
}

/** Remembered until an operator has accepted it by beginning a new era. */
function revisionsLost({ cluster, revisionsLost: lost }: RoleState, view: ClusterView): WentBack | null {
  if (cluster === null) return null;
  if (view.era > cluster.era) return null;
  if (lost !== null || view.revision >= cluster.revision) return lost;
  return { seen: cluster.revision, found: view.revision };
}

type ReplicatorEvent = RoleEvent & {
  type: 'replicator-ready' | 'replicator-status' | 'replicator-gone' | 'handed-off';
};

function absorbReplicator(state: RoleState, event: ReplicatorEvent): RoleState {
  const { replicator } = state;
  switch (event.type) {
    case 'replicator-ready':
      return {
        ...state,
        replicator: { ...absentReplicator, awaySinceMs: replicator.awaySinceMs, ready: true },
      };
    case 'replicator-gone':
      return {
        ...state,
        replicator: { ...absentReplicator, awaySinceMs: replicator.awaySinceMs ?? event.at },
      };
    case 'handed-off': {
      const { epoch, complete, reason } = event;
      return { ...state, replicator: { ...replicator, handedOff: { epoch, complete, reason } } };
    }
    case 'replicator-status': {
      const { role, highestEpoch, position, caughtUp, configDigest, hostKeyFingerprints } = event.status;
      const { roots, heldRemoval, failedFiles } = event.status;
      const told = {
        ...{ role, highestEpoch, position, caughtUp, configDigest, hostKeyFingerprints },
        ...{ roots, heldRemoval, failedFiles },
        awaySinceMs: role === 'leader' ? null : (replicator.awaySinceMs ?? event.at),
      };
      const epoch = Math.max(highestEpoch, event.status.toldEpoch);
      const seen = epoch > replicator.seen.epoch ? { epoch, sinceMs: event.at } : replicator.seen;
      const isMended = configDigest !== replicator.configDigest && isReplicated(state.lastFailure);
      return {
        ...state,
        // What the last promotion failed at is another one now: that is tried at once.
        ...(isMended ? { claimNotBeforeMs: 0, lastFailure: null } : {}),
        replicator: { ...replicator, ...told, seen, ready: true },
      };
    }
  }
}

type NodeEvent = RoleEvent & {
  type: 'node-starting' | 'node-listening' | 'node-gate-shut' | 'node-stuck' | 'node-exited';
};

function absorbNode(state: RoleState, event: NodeEvent): RoleState {
  if (event.type === 'node-starting') return { ...state, node: { is: 'starting', epoch: event.epoch } };
  if (state.node.is === 'absent' || state.node.epoch !== event.epoch) return state;
  switch (event.type) {
    case 'node-listening':
      return { ...state, node: { is: 'listening', epoch: event.epoch } };
    case 'node-gate-shut':
      return { ...state, node: { is: 'gate-shut', epoch: event.epoch } };
    case 'node-stuck':
      return { ...state, nodeIsStuck: true };
    case 'node-exited': {
      const unexpected = event.epoch === epochOf(state.phase) && state.phase.name !== 'handing-over';
      return {
        ...state,
        node: { is: 'absent' },
        nodeIsStuck: false,
        ...(unexpected ? { nodeDeaths: [...state.nodeDeaths, event.at], failure: event.cause } : {}),
      };
    }
  }
}
