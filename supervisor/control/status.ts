import type { Epoch, NodeId, Position } from '#contracts/identities.ts';
import type { QuarantineSummary } from '#contracts/ipc/quarantine.ts';
import type { PeerProgress } from '#contracts/ipc/replicator.ts';
import { version } from '#contracts/version.ts';
import type { Cause } from '../core/cause.ts';
import { epochOf } from '../core/leadership/state.ts';
import { type OperationRecord, type Pause, recordOf } from '../core/records/operation.ts';
import type { HealthFact, ResyncReport, SftpNodeActivity } from '../runtime/ports.ts';
import type { Supervisor } from '../runtime/supervisor.ts';

/** One row of `holdfast status`: a host as this one knows it. */
export interface HostStatus {
  readonly node: NodeId;
  readonly role: 'leader' | 'standby' | 'away';
  /** In the set of hosts that hold everything that was acknowledged. */
  readonly inSync: boolean;
  readonly position: Position;
  /** What the leader knows about the follower; null where this host cannot tell. */
  readonly replication: {
    readonly state: PeerProgress['state'];
    readonly lagOperations: number;
    readonly lagBytes: number;
  } | null;
  /** How far it is from having what its leader has, elsewhere as of some seconds ago; null: it lacks nothing, or does not follow. */
  readonly resync: ResyncReport | null;
  readonly priority: number;
  /** The release that it runs; null while it is away. */
  readonly version: string | null;
  readonly ineligible: readonly Cause[];
  /** What is not well there; of this host, as it is now. */
  readonly health: readonly HealthFact[];
  readonly configDigest: string;
}

export interface View {
  /** Since what etcd told last was asked for; null: it has not answered since this supervisor started. */
  readonly ageMs: number | null;
  /** Older than a lease, it says nothing of who leads now. */
  readonly staleAfterMs: number;
  /** Whether etcd answers this host: the latest read, which is made again all the time, is not overdue. */
  readonly etcdAnswers: boolean;
}

/** The answer of `GET /v1/status`; `holdfast status --json` prints it. */
export interface Status {
  readonly cluster: string;
  /** The host that answers. */
  readonly node: NodeId;
  readonly version: string;
  readonly phase: string;
  readonly epoch: Epoch;
  /** How old is what is told of the cluster: everything but what concerns this host alone. */
  readonly view: View;
  /** As etcd said it last. Whether it still holds: `view`, and `outlook` of `holdfast status --json`. */
  readonly leader: {
    readonly node: NodeId;
    readonly epoch: Epoch;
    readonly since: string;
    readonly cause: string;
  } | null;
  /** Milliseconds until this host's lease ends at the earliest; negative when it is over; null without one. */
  readonly leaseLeftMs: number | null;
  readonly vips: readonly string[];
  readonly inSync: readonly NodeId[];
  /** The operation that was asked for last. */
  readonly operation: OperationRecord | null;
  /** Maintenance: no host takes over by itself. */
  readonly paused: Pause | null;
  /** Of this host, as it runs: those that must be alike on every host. */
  readonly settings: Readonly<Record<string, string>>;
  readonly sftpPort: number;
  readonly hosts: readonly HostStatus[];
  readonly health: readonly HealthFact[];
  /** A comparison of this host with its leader that waits for an operator. */
  readonly heldRemoval: { readonly files: number; readonly of: number; readonly leader: NodeId } | null;
  /** What lies in quarantine on this host; null: not known yet. Of other hosts, `health` tells it in words. */
  readonly quarantine: QuarantineSummary | null;
  readonly ineligible: readonly Cause[];
  readonly activity: SftpNodeActivity;
  /** For how long each process of this host stood still at most within the last minute, in milliseconds. */
  readonly latenessMs: Readonly<Record<string, number>>;
  readonly processes: {
    readonly supervisor: number;
    readonly sftpNode: number | null;
    readonly replicator: number | null;
  };
  readonly problems: readonly { readonly key: string; readonly what: string }[];
}

export function statusOf(supervisor: Supervisor, nowMs: number): Status {
  const { state, config } = supervisor;
  const { cluster, lease, phase } = state;
  const leader = cluster?.leader ?? null;
  return {
    cluster: config.cluster,
    node: config.node.id,
    version,
    phase: phase.name,
    epoch: epochOf(phase),
    view: viewOf(supervisor, nowMs),
    leader: leader && { node: leader.node, epoch: leader.epoch, since: leader.since, cause: leader.cause },
    leaseLeftMs: lease && lease.endsAtMs - nowMs,
    vips: config.vips.map((vip) => `${vip.address.address}/${vip.address.prefixLength}`),
    inSync: cluster?.inSync?.members ?? [],
    operation: cluster?.operation ? recordOf(cluster.operation) : null,
    paused: cluster?.paused ?? null,
    settings: state.settings,
    sftpPort: config.sftp.port,
    hosts: hostsOf(supervisor),
    health: supervisor.healthFacts,
    heldRemoval: state.replicator.heldRemoval,
    quarantine: supervisor.replicator.quarantine,
    ineligible: supervisor.ineligibility(),
    activity: supervisor.sftpNode.activity,
    latenessMs: supervisor.health.latenessMs,
    processes: {
      supervisor: process.pid,
      sftpNode: supervisor.sftpNode.pid ?? null,
      replicator: supervisor.replicator.pid ?? null,
    },
    problems: cluster?.problems ?? [],
  };
}

/** A read is given up after a second, and the next one is sent. */
const readLimitMs = 1500;

function viewOf({ state, config }: Supervisor, nowMs: number): View {
  const { ttl, renewEvery } = config.lease;
  const ageMs = state.cluster === null ? null : Math.max(0, nowMs - state.cluster.sentAtMs);
  const overdueMs = Math.min(ttl, renewEvery + readLimitMs);
  return { ageMs, staleAfterMs: ttl, etcdAnswers: ageMs !== null && ageMs <= overdueMs };
}

/** This one too while etcd knows nothing of it. */
function hostsOf(supervisor: Supervisor): HostStatus[] {
  const { state, replicator } = supervisor;
  const { cluster, nodeId } = state;
  const leader = cluster?.leader?.node;
  const members = cluster?.inSync?.members ?? [];
  const live = new Map(cluster?.nodes.map((node) => [node.node, node]));
  const names = new Set([
    nodeId,
    ...live.keys(),
    ...(cluster?.peers.map((peer) => peer.node) ?? []),
    ...members,
  ]);
  return [...names].sort().map((node): HostStatus => {
    const record = live.get(node);
    const progress = replicator.followers.find((follower) => follower.nodeId === node);
    return {
      node,
      role: node === leader ? 'leader' : record === undefined ? 'away' : 'standby',
      inSync: members.includes(node),
      position: node === nodeId ? state.replicator.position : (record?.position ?? { epoch: 0, sequence: 0 }),
      replication: progress === undefined ? null : replicationOf(progress),
      resync: node === nodeId ? replicator.resync : (record?.resync ?? null),
      priority: record?.priority ?? 0,
      ineligible: node === nodeId ? supervisor.ineligibility() : (record?.ineligible ?? []),
      version: record?.version ?? null,
      health: node === nodeId ? notWell(supervisor.healthFacts) : (record?.health ?? []),
      configDigest: record?.configDigest ?? '',
    };
  });
}

function replicationOf({ state, lagOperations, lagBytes }: PeerProgress) {
  return { state, lagOperations, lagBytes };
}

function notWell(facts: readonly HealthFact[]): HealthFact[] {
  return facts.filter(({ level }) => level !== 'ok');
}
