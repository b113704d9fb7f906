import pino from 'pino';
import type { Position } from '#contracts/identities.ts';
import { latestVipStartMs, vipCommandLimitMs, vipLifetimeSeconds } from '../../supervisor/config/timing.ts';
import { decide } from '../../supervisor/core/leadership/decide.ts';
import { ineligibility } from '../../supervisor/core/leadership/eligibility.ts';
import { preparedFor } from '../../supervisor/core/leadership/handing-over.ts';
import { initialState, type RoleState } from '../../supervisor/core/leadership/state.ts';
import { timingOf } from '../../supervisor/core/leadership/timing.ts';
import type { Leader, LiveNode } from '../../supervisor/core/records/records.ts';
import { Executor } from '../../supervisor/runtime/executor.ts';
import { LeadershipWriter } from '../../supervisor/runtime/leadership-writer.ts';
import type { Observation } from '../../supervisor/runtime/observation.ts';
import type {
  ClusterStore,
  ReplicatorControl,
  SftpNodeControl,
  VirtualIps,
} from '../../supervisor/runtime/ports.ts';
import { RecordWriter } from '../../supervisor/runtime/record-writer.ts';
import type { Write } from './history.ts';
import type { World } from './world.ts';

export const lease = { ttl: 3000, renewEvery: 500, margin: 500 };
const timing = timingOf(lease);
const releaseLimitMs = 20;
/** How long the health check takes to say that the SFTP node neither answers nor dies. */
const stuckAfterMs = 3000;
const quiet = pino({ level: 'silent' });
const noAnswer = () => new Promise<never>(() => {});

/** The SFTP node process as the model has it. */
interface NodeModel {
  readonly epoch: number;
  listening: boolean;
  isShut: boolean;
  /** Boot time; -Infinity while shut. */
  gateUntilMs: number;
}

/** What survives a crash of the supervisor: the kernel, the disk, and for an instant the child. */
export class HostModel {
  readonly id: string;
  readonly #world: World;
  /** The boot clock runs at its own rate, within the drift that the margin allows for, and shows 10 ms steps. */
  readonly #clockRate: number;
  readonly #clockOffset: number;
  run: SupervisorRun | null = null;
  node: NodeModel | null = null;
  /** True time until which the kernel keeps the address. */
  vipUntil = Number.NEGATIVE_INFINITY;
  files: Write | null = null;
  highestEpoch = 0;
  /** The highest epoch that a follower told of when it refused to follow. */
  toldEpoch = 0;
  rememberedLease: string | null = null;
  pausedUntil = { supervisor: 0, node: 0 };
  /** True time until which a frozen disk holds the SFTP node: no signal ends it. */
  diskFrozenUntil = 0;
  ipFails = false;
  ipSlow = false;
  boots = 0;
  /** True time at which the release after a crash is over: systemd starts the service no earlier. */
  #releasedAt = 0;

  constructor(id: string, world: World) {
    this.id = id;
    this.#world = world;
    this.#clockRate = world.random.between(0.995, 1.005);
    this.#clockOffset = world.random.between(0, 1e6);
  }

  get position(): Position {
    return { epoch: this.files?.epoch ?? 0, sequence: this.files?.length ?? 0 };
  }

  bootTimeMs(): number {
    return Math.floor((this.#clockOffset + this.#world.timeline.now * this.#clockRate) / 10) * 10;
  }

  get hasVip(): boolean {
    return this.vipUntil > this.#world.timeline.now;
  }

  /** Whether an acknowledgement could leave this host at this instant. */
  get mayAcknowledge(): boolean {
    const { node } = this;
    if (node === null || !node.listening || this.#world.timeline.now < this.pausedUntil.node) return false;
    return this.bootTimeMs() < node.gateUntilMs;
  }

  start(): void {
    const { timeline } = this.#world;
    if (this.run !== null) return;
    if (timeline.now < this.#releasedAt) {
      timeline.after(this.#releasedAt - timeline.now, () => this.start());
      return;
    }
    this.run = new SupervisorRun(this, this.#world);
    this.run.start();
  }

  /** The SFTP node stands still and cannot be killed, which the supervisor finds out after a while. */
  freezeDisk(ms: number): void {
    const { timeline } = this.#world;
    this.diskFrozenUntil = Math.max(this.diskFrozenUntil, timeline.now + ms);
    this.pausedUntil.node = Math.max(this.pausedUntil.node, this.diskFrozenUntil);
    const { node } = this;
    timeline.after(stuckAfterMs, () => {
      if (node === null || this.node !== node || timeline.now >= this.diskFrozenUntil) return;
      this.crashNode();
      this.run?.observe({ type: 'node-stuck', epoch: node.epoch });
    });
  }

  /** kill -9 of the supervisor: the node notices the closed channel, systemd may clean up and starts it again. */
  crashSupervisor(withRelease: boolean): void {
    this.run?.end();
    this.run = null;
    // Commands under way die with it: systemd empties the service's control group before it runs the release.
    this.boots += 1;
    const { node } = this;
    const { timeline, random } = this.#world;
    timeline.after(random.between(0, 20) + Math.max(0, this.pausedUntil.node - timeline.now), () => {
      if (this.node === node) this.node = null;
    });
    if (withRelease) {
      const beginsIn = random.between(20, 100);
      this.#releasedAt = timeline.now + beginsIn + releaseLimitMs;
      timeline.after(beginsIn, () => this.cleanUpAfterEarlierRun());
    }
  }

  /** `holdfast release`, and the start of a supervisor: node, address, lease, in this order. */
  cleanUpAfterEarlierRun(): void {
    const { timeline, random, network, etcd } = this.#world;
    const id = this.rememberedLease;
    this.node = null;
    timeline.after(random.between(3, releaseLimitMs), () => {
      if (this.ipFails) return;
      this.vipUntil = Number.NEGATIVE_INFINITY;
      if (id !== null) network.send(this.id, 'etcd', () => etcd.revoke(id));
    });
  }

  crashHost(): void {
    this.boots += 1;
    this.run?.end();
    this.run = null;
    this.node = null;
    this.vipUntil = Number.NEGATIVE_INFINITY;
  }

  /** As by SIGKILL. */
  crashNode(): void {
    const { node } = this;
    const { timeline } = this.#world;
    if (node === null) return;
    if (timeline.now < this.diskFrozenUntil) {
      timeline.after(this.diskFrozenUntil - timeline.now, () => {
        if (this.node === node) this.crashNode();
      });
      return;
    }
    this.node = null;
    const cause = { code: 'SFTP_NODE_EXITED', sentence: 'killed' };
    this.run?.later(1, () => this.run?.observe({ type: 'node-exited', epoch: node.epoch, cause }));
  }
}

/** One life of a supervisor process: the real judgement and executor on modelled ports. */
export class SupervisorRun {
  readonly #host: HostModel;
  readonly #world: World;
  readonly #executor: Executor;
  state: RoleState;
  alive = true;
  #leaseId: string | null = null;
  #reading = false;
  #spareIsReady = false;
  role: { type: 'lead' | 'follow' | 'idle'; epoch: number; leader: string } = {
    type: 'idle',
    epoch: 0,
    leader: '',
  };

  constructor(host: HostModel, world: World) {
    this.#host = host;
    this.#world = world;
    this.state = initialState(host.id, false);
    const store = this.#store();
    const observe = (observation: Observation) => this.observe(observation);
    this.#executor = new Executor({
      clock: { bootTimeMs: () => host.bootTimeMs(), wallTimeIso: () => '' },
      vips: this.#vips(),
      announcer: { start: () => this.#takes(2), stop: () => {} },
      sftpNode: this.#sftpNode(),
      replicator: this.#replicator(),
      leadership: new LeadershipWriter({
        nodeId: host.id,
        store,
        clock: { bootTimeMs: () => host.bootTimeMs(), wallTimeIso: () => '' },
        observe,
        readAgain: () => this.#read(),
      }),
      records: new RecordWriter({
        nodeId: host.id,
        store,
        clock: { bootTimeMs: () => host.bootTimeMs(), wallTimeIso: () => '' },
        cluster: () => this.state.cluster,
        leaseId: () => this.#leaseId,
        readAgain: () => this.#read(),
      }),
      observe,
      exit: () => this.#exit(),
      log: quiet,
    });
  }

  start(): void {
    this.#host.cleanUpAfterEarlierRun();
    this.#repeat(100, () => this.observe({ type: 'tick' }));
    this.#repeat(lease.renewEvery, () => this.#renew());
    this.#repeat(lease.renewEvery, () => this.#read());
    this.#repeat(500, () => this.#publish());
    this.later(50, () => this.observe({ type: 'replicator-ready' }));
    void this.#renew();
  }

  #repeat(ms: number, run: () => void): void {
    this.#world.timeline.every(ms, () => {
      this.later(0, run);
      return this.alive;
    });
  }

  end(): void {
    this.alive = false;
  }

  observe(observation: Observation): void {
    this.later(0, () => {
      const { state, orders, changes } = decide(
        this.state,
        { ...observation, at: this.#host.bootTimeMs() },
        timing,
      );
      this.state = state;
      for (const { row, cause } of changes) {
        this.#world.tell(
          `${this.#host.id}: ${row.from} -> ${row.to}${cause === null ? '' : ` (${cause.sentence})`}`,
        );
      }
      this.#executor.carryOut(orders);
    });
  }

  /** The watch brings the leader key itself, and everything else asks for a read. */
  watched(leader: Leader | null, revision: number): void {
    this.observe({ type: 'leader-seen', leader, revision });
    this.readAgain();
  }

  readAgain(): void {
    this.later(0, () => this.#read());
  }

  /** Runs in this process: not while it is paused, and never after it ended. */
  later(ms: number, run: () => void): void {
    const { timeline } = this.#world;
    const pause = Math.max(0, this.#host.pausedUntil.supervisor - timeline.now);
    if (ms === 0 && pause === 0) {
      if (this.alive) run();
      return;
    }
    timeline.after(Math.max(ms, pause), () => this.later(0, run));
  }

  #takes(ms: number): Promise<void> {
    return new Promise((resolve) => this.later(ms, resolve));
  }

  /** A process of its own: it goes on while the supervisor is paused, or is paused with it. The kernel ends it at a time. */
  #runIp(takes: number, deadlineMs: number, act: () => void): { isKilled: boolean } {
    const { random, timeline } = this.#world;
    const host = this.#host;
    const { boots } = host;
    const process = { isKilled: false };
    const isPausedToo = random.chance(0.5);
    const goOn = () => {
      const pause = isPausedToo ? Math.max(0, host.pausedUntil.supervisor - timeline.now) : 0;
      if (pause > 0) timeline.after(pause, goOn);
      else if (!process.isKilled && host.boots === boots && host.bootTimeMs() < deadlineMs) act();
    };
    timeline.after(takes, goOn);
    return process;
  }

  async #renew(): Promise<void> {
    const { network, etcd } = this.#world;
    const id = this.#leaseId;
    const sentAtMs = this.#host.bootTimeMs();
    const serve = () => (id === null ? etcd.grant() : etcd.renew(id) ? id : null);
    const answer = await network.ask(this.#host.id, () => etcd.slowMs, 1000, serve).catch(() => undefined);
    if (answer === undefined) return;
    this.later(0, () => {
      if (this.#leaseId !== id) return;
      this.#leaseId = answer;
      if (answer === null) {
        if (id !== null) this.observe({ type: 'lease-gone', id });
        return;
      }
      this.#host.rememberedLease = answer;
      this.observe({ type: 'lease-renewed', id: answer, sentAtMs });
    });
  }

  async #read(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    const { network, etcd } = this.#world;
    const sentAtMs = this.#host.bootTimeMs();
    const view = await network
      .ask(
        this.#host.id,
        () => etcd.slowMs,
        1000,
        () => etcd.view(sentAtMs),
      )
      .catch(() => null);
    this.#reading = false;
    if (view !== null) this.observe({ type: 'cluster-read', view });
  }

  #publish(): void {
    const leaseId = this.#leaseId;
    if (leaseId === null) return;
    const { network, etcd } = this.#world;
    const node: LiveNode = {
      node: this.#host.id,
      leaseId,
      version: '',
      priority: 100,
      noFailover: false,
      position: this.#host.position,
      caughtUp: true,
      configDigest: '',
      hostKeyFingerprints: [],
      settings: {},
      linkAddresses: [],
      preparedFor: preparedFor(this.state),
      ineligible: ineligibility(this.state, this.#host.bootTimeMs(), timing),
      health: [],
    };
    network.send(this.#host.id, 'etcd', () => etcd.publish(node));
  }

  #store(): ClusterStore {
    const { network, etcd } = this.#world;
    const ask = <Answer>(serve: () => Answer) => network.ask(this.#host.id, () => etcd.slowMs, 2000, serve);
    const write = (serve: () => number | null) =>
      ask(serve).then((epoch) => (epoch === null ? { won: false as const } : { won: true as const, epoch }));
    return {
      claimLeadership: (record, leaseId, revision, alone) =>
        write(() => etcd.claim(record, leaseId, revision, alone)),
      moveLeadership: (epoch, record, leaseId) => write(() => etcd.move(epoch, record, leaseId)),
      releaseLeadership: (epoch) => ask(() => etcd.release(epoch)),
      writeSuccessor: (epoch, node, leaseId) => ask(() => etcd.writeSuccessor(epoch, node, leaseId)),
      writeOperation: (record, revision) => ask(() => etcd.writeOperation(record, revision)),
      writePause: (pause) => ask(() => etcd.writePause(pause)),
      writeRestored: (restored) => ask(() => etcd.writeRestored(restored)),
      writeSettings: noAnswer,
      beginEra: noAnswer,
      readHistory: noAnswer,
      writeHistory: noAnswer,
      grantLease: noAnswer,
      renewLease: noAnswer,
      revokeLease: noAnswer,
      read: noAnswer,
      watch: () => {},
      writeInSync: noAnswer,
      publishNode: noAnswer,
      publishPeer: noAnswer,
      close: () => {},
    };
  }

  #vips(): VirtualIps {
    const host = this.#host;
    const { random, timeline } = this.#world;
    return {
      present: async (untilMs) => {
        const seconds = vipLifetimeSeconds(untilMs, host.bootTimeMs());
        if (host.hasVip && host.vipUntil - timeline.now >= seconds * 1000 + 400) return true;
        if (seconds === 0) return false;
        const takes = host.ipSlow ? random.between(50, vipCommandLimitMs + 400) : random.between(1, 10);
        const works = takes <= vipCommandLimitMs && !host.ipFails;
        const ip = this.#runIp(takes, latestVipStartMs(seconds, untilMs), () => {
          if (works || random.chance(0.5))
            host.vipUntil = timeline.now + seconds * 1000 + random.between(0, 400);
        });
        await this.#takes(Math.min(takes, vipCommandLimitMs) + 3);
        ip.isKilled = true;
        if (!works) throw new Error('ip failed');
        return true;
      },
      absent: async () => {
        await this.#takes(host.ipSlow ? random.between(50, 500) : random.between(1, 10));
        if (host.ipFails && random.chance(0.5)) throw new Error('ip failed');
        host.vipUntil = Number.NEGATIVE_INFINITY;
      },
      conflict: async () => {
        await this.#takes(120);
        const stranger = this.#world.hosts.find((other) => other !== host && other.hasVip);
        return stranger ? { address: 'vip', macAddress: stranger.id } : null;
      },
      announce: () => this.#takes(2),
    };
  }

  #sftpNode(): SftpNodeControl {
    const host = this.#host;
    const { random, timeline } = this.#world;
    const toNode = (epoch: number, run: (node: NodeModel) => void) => {
      const pause = Math.max(0, host.pausedUntil.node - timeline.now);
      timeline.after(pause + random.between(0, 2), () => {
        if (host.node?.epoch === epoch) run(host.node);
      });
    };
    const shut = (node: NodeModel) => {
      node.isShut = true;
      node.gateUntilMs = Number.NEGATIVE_INFINITY;
      this.observe({ type: 'node-gate-shut', epoch: node.epoch });
    };
    return {
      start: (epoch) => {
        if (host.node !== null) {
          toNode(epoch, (node) => {
            if (!node.isShut) return;
            node.isShut = false;
            this.observe({ type: 'node-listening', epoch });
          });
          return;
        }
        host.node = { epoch, listening: false, isShut: false, gateUntilMs: Number.NEGATIVE_INFINITY };
        const takes = this.#spareIsReady ? random.between(5, 50) : random.between(80, 300);
        this.#spareIsReady = false;
        this.observe({ type: 'spare', is: 'absent' });
        this.observe({ type: 'node-starting', epoch });
        timeline.after(takes, () =>
          toNode(epoch, (node) => {
            node.listening = true;
            this.observe({ type: 'node-listening', epoch });
          }),
        );
      },
      keepSpare: () => {
        this.observe({ type: 'spare', is: 'loading' });
        this.later(random.between(80, 300), () => {
          if (this.state.spare !== 'loading') return;
          this.#spareIsReady = true;
          this.observe({ type: 'spare', is: 'ready' });
          this.#publish();
        });
      },
      dropSpare: () => {
        this.#spareIsReady = false;
        this.observe({ type: 'spare', is: 'absent' });
      },
      openGate: (epoch, validUntilMs) =>
        toNode(epoch, (node) => {
          if (!node.isShut) node.gateUntilMs = validUntilMs;
        }),
      shutGate: (epoch) => toNode(epoch, shut),
      drain: (epoch, limitMs) =>
        toNode(epoch, (node) => {
          timeline.after(random.between(0, limitMs), () => {
            if (host.node === node) toNode(epoch, shut);
          });
        }),
      stop: (epoch) => toNode(epoch, () => host.crashNode()),
      kill: () => this.later(1, () => host.crashNode()),
      pid: undefined,
      activity: { sessions: 0, transfers: 0 },
    };
  }

  #replicator(): ReplicatorControl {
    const host = this.#host;
    return {
      tellRole: (order) =>
        this.later(2, () => {
          const epoch = order.type === 'idle' ? 0 : order.epoch;
          if (order.type !== 'idle' && epoch < host.highestEpoch) return;
          if (order.type === 'lead') host.highestEpoch = Math.max(host.highestEpoch, epoch);
          this.role = { type: order.type, epoch, leader: order.type === 'follow' ? order.leader : '' };
          this.reportReplicator();
        }),
      handOff: (epoch, target) =>
        this.later(3, () => {
          const complete = this.#world.handOff(host, epoch, target);
          this.observe({ type: 'handed-off', epoch, complete, reason: '' });
        }),
      start: () => {},
      tellPeers: () => {},
      close: () => {},
      pid: undefined,
      followers: [],
    };
  }

  reportReplicator(): void {
    const role = { lead: 'leader', follow: 'follower', idle: 'idle' } as const;
    this.observe({
      type: 'replicator-status',
      status: {
        type: 'status',
        role: role[this.role.type],
        highestEpoch: this.#host.highestEpoch,
        toldEpoch: this.#host.toldEpoch,
        position: this.#host.position,
        caughtUp: true,
        configDigest: '',
        hostKeyFingerprints: ['k'],
        peers: [],
        quarantined: 0,
        lastScrub: null,
      },
    });
  }

  #exit(): void {
    this.end();
    this.#host.run = null;
    const id = this.#leaseId;
    const { network, etcd } = this.#world;
    if (id !== null) network.send(this.#host.id, 'etcd', () => etcd.revoke(id));
  }
}
