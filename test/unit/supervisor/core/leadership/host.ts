import type { RootsReport } from '#contracts/roots.ts';
import { type Decision, decide } from '../../../../../supervisor/core/leadership/decide.ts';
import type { Order } from '../../../../../supervisor/core/leadership/orders.ts';
import { initialState, type RoleState } from '../../../../../supervisor/core/leadership/state.ts';
import { timingOf } from '../../../../../supervisor/core/leadership/timing.ts';
import type { Operation } from '../../../../../supervisor/core/records/operation.ts';
import type { ClusterView, LiveNode } from '../../../../../supervisor/core/records/records.ts';
import type { ClusterSettings } from '../../../../../supervisor/core/records/settings.ts';
import type { Observation } from '../../../../../supervisor/runtime/observation.ts';

export const timing = timingOf({ ttl: 3000, margin: 500 });

/** A supervisor's judgement under test: events go in with a time of ours, orders and phases come out. */
export class Host {
  readonly id: string;
  state: RoleState;
  at = 10_000;
  last: Decision;
  /** Every change of phase so far, as `standby->promoting`. */
  readonly path: string[] = [];
  #revision = 100;

  constructor(id = 'a', noFailover = false, settings: ClusterSettings = {}) {
    this.id = id;
    this.state = initialState(id, noFailover, 100, 'test', settings);
    this.last = this.see({ type: 'tick' });
  }

  see(observation: Observation): Decision {
    if (observation.type === 'leader-written') {
      this.#revision = Math.max(this.#revision, observation.leader.epoch);
    }
    this.last = decide(this.state, { ...observation, at: this.at }, timing);
    this.state = this.last.state;
    this.path.push(...this.last.changes.map(({ row }) => `${row.from}->${row.to}`));
    return this.last;
  }

  pass(ms: number): this {
    this.at += ms;
    this.see({ type: 'tick' });
    return this;
  }

  renew(sentAgoMs = 0): this {
    this.see({ type: 'lease-renewed', id: `lease-${this.id}`, sentAtMs: this.at - sentAgoMs });
    return this;
  }

  read(parts: Partial<ClusterView> = {}): this {
    this.#revision += 1;
    this.see({
      type: 'cluster-read',
      view: view({ revision: this.#revision, sentAtMs: this.at, ...parts }),
    });
    return this;
  }

  /** Reads an operator's failover to this host as it is asked for, takes it up, and reads that it runs. */
  takesUp(operation: Operation, parts: Partial<ClusterView> = {}): this {
    this.read({ ...parts, operation });
    const report = this.order('operation')?.report;
    if (report?.state !== 'running') return this;
    const running: Operation = {
      ...operation,
      state: 'running',
      epoch: 0,
      modRevision: operation.modRevision + 1,
    };
    return this.read({ ...parts, operation: running });
  }

  replicator(
    role: 'idle' | 'leader' | 'follower',
    highestEpoch = 0,
    told: Partial<ReplicatorStatus> = {},
  ): this {
    const position = { epoch: highestEpoch, sequence: 0 };
    const status = { ...statusOf(this.id), role, highestEpoch, position, ...told };
    this.see({ type: 'replicator-status', status });
    return this;
  }

  /** A healthy standby of a cluster in which it is in sync and nobody leads. */
  ready(): this {
    this.renew();
    this.see({ type: 'vip-absent' });
    this.see({ type: 'replicator-ready' });
    this.replicator('idle');
    return this.read();
  }

  /** The leader at `epoch`, having gone every step. */
  leading(epoch = 200): this {
    this.ready();
    this.see({ type: 'leader-written', leader: leaderOf(this.id, epoch) });
    this.see({ type: 'vip-free', epoch });
    this.see({ type: 'vip-present', epoch });
    this.see({ type: 'announced', epoch });
    this.see({ type: 'node-starting', epoch });
    this.see({ type: 'node-listening', epoch });
    this.replicator('leader', epoch);
    return this;
  }

  order<Kind extends Order['kind']>(kind: Kind): Extract<Order, { kind: Kind }> | undefined {
    return this.last.orders.find((order): order is Extract<Order, { kind: Kind }> => order.kind === kind);
  }

  get phase(): string {
    return this.state.phase.name;
  }
}

export function leaderOf(node: string, epoch: number, leaseId = `lease-${node}`) {
  const origin = {
    since: '',
    cause: 'claimed',
    handedOverBy: null,
    handOverCause: null,
    operationId: null,
    downMs: null,
  };
  return { node, epoch, leaseId, ...origin };
}

const everybody = { members: ['a', 'b', 'c'], epoch: 0, reason: '', modRevision: 7 };

const noKeys = {
  leader: 0,
  insync: 0,
  operation: 0,
  successor: 0,
  paused: 0,
  departure: 0,
  era: 0,
  restored: 0,
  format: 3,
  settings: 0,
};

export function view(parts: Partial<ClusterView>): ClusterView {
  const inSync = parts.inSync === undefined ? everybody : parts.inSync;
  const revisions = {
    ...noKeys,
    insync: inSync?.modRevision ?? 0,
    operation: parts.operation?.modRevision ?? 0,
  };
  return {
    revision: 1,
    sentAtMs: 0,
    leader: null,
    inSync,
    revisions,
    format: { version: 1, by: 'a' },
    isNew: false,
    unreadable: [],
    operation: null,
    successor: null,
    paused: null,
    departure: null,
    settings: null,
    era: 0,
    restored: null,
    nodes: [],
    peers: [],
    hosts: [],
    unreadableHosts: {},
    problems: [],
    ...parts,
  };
}

/** Of an idle replicator with everything in order. */
export type ReplicatorStatus = Extract<Observation, { type: 'replicator-status' }>['status'];

export function statusOf(host: string): ReplicatorStatus {
  return {
    type: 'status',
    role: 'idle',
    highestEpoch: 0,
    toldEpoch: 0,
    resync: null,
    position: { epoch: 0, sequence: 0 },
    caughtUp: true,
    configDigest: 'd',
    configProblems: [],
    hostKeyFingerprints: ['SHA256:k'],
    peers: [],
    quarantined: 0,
    quarantine: null,
    roots: rootsOf(host),
    atRisk: [],
    heldRemoval: null,
    failedFiles: null,
  };
}

/** Roots that agree. */
export function rootsOf(host: string, id = `roots-${host}`, cluster = 'test'): RootsReport {
  const root = (name: 'data' | 'config' | 'state') => ({
    path: `/srv/${name}`,
    isEmpty: false,
    place: '1:1',
    record: {
      ...{ format: 1 as const, cluster, host, root: name, id, admittedAt: 10, revision: 3 },
      ...{ held: { epoch: 0, sequence: 0 }, holdsFiles: true, place: '1:1' },
    },
  });
  return { data: root('data'), config: root('config'), state: root('state') };
}

export function liveNode(node: string, parts: Partial<LiveNode> = {}): LiveNode {
  return {
    node,
    leaseId: `lease-${node}`,
    version: '0',
    priority: 100,
    noFailover: false,
    position: { epoch: 0, sequence: 0 },
    caughtUp: true,
    configDigest: 'd',
    hostKeyFingerprints: [],
    settings: {},
    linkAddresses: [],
    preparedFor: 0,
    serving: 0,
    ineligible: [],
    resync: null,
    health: [],
    ...parts,
  };
}
