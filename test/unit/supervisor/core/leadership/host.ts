import { type Decision, decide } from '../../../../../supervisor/core/leadership/decide.ts';
import type { Order } from '../../../../../supervisor/core/leadership/orders.ts';
import { initialState, type RoleState } from '../../../../../supervisor/core/leadership/state.ts';
import { timingOf } from '../../../../../supervisor/core/leadership/timing.ts';
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
    this.state = initialState(id, noFailover, 100, settings);
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

  replicator(role: 'idle' | 'leader' | 'follower', highestEpoch = 0): this {
    this.see({
      type: 'replicator-status',
      status: {
        type: 'status',
        role,
        highestEpoch,
        toldEpoch: 0,
        position: { epoch: highestEpoch, sequence: 0 },
        caughtUp: true,
        configDigest: 'd',
        hostKeyFingerprints: ['SHA256:k'],
        peers: [],
        quarantined: 0,
        lastScrub: null,
      },
    });
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

export function view(parts: Partial<ClusterView>): ClusterView {
  return {
    revision: 1,
    sentAtMs: 0,
    leader: null,
    inSync: { members: ['a', 'b', 'c'], epoch: 0, reason: '', modRevision: 7 },
    operation: null,
    successor: null,
    paused: null,
    departure: null,
    settings: null,
    era: 0,
    restored: null,
    nodes: [],
    peers: [],
    problems: [],
    ...parts,
  };
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
    ineligible: [],
    health: [],
    ...parts,
  };
}
