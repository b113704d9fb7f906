import { messageOf } from '#contracts/errors.ts';
import type { Peer } from '#contracts/ipc/replicator.ts';
import type { Logger } from '#contracts/log.ts';
import { version } from '#contracts/version.ts';
import { clusterSettingsOf } from '../config/cluster-settings.ts';
import { type Config, commandVipsOf } from '../config/schema.ts';
import type { Change } from '../core/leadership/advance.ts';
import { type Decision, decide } from '../core/leadership/decide.ts';
import { ineligibility } from '../core/leadership/eligibility.ts';
import type { RoleEvent } from '../core/leadership/events.ts';
import { preparedFor } from '../core/leadership/handing-over.ts';
import { epochOf, initialState, type RoleState } from '../core/leadership/state.ts';
import { type Timing, timingOf } from '../core/leadership/timing.ts';
import type { ClusterView, NodeRecord, PeerRecord } from '../core/records/records.ts';
import { EtcdPlacementObserver } from '../observers/etcd-placement.ts';
import { HistoryAnnotator } from '../observers/history-annotator.ts';
import { HistoryRecorder } from '../observers/history-recorder.ts';
import { WatchdogFeeder } from '../observers/watchdog-feeder.ts';
import { Announcer } from './announcer.ts';
import { ClusterReader } from './cluster-reader.ts';
import { Executor } from './executor.ts';
import { LeadershipWriter } from './leadership-writer.ts';
import { LeaseLoop } from './lease-loop.ts';
import { Membership } from './membership.ts';
import type { Observation } from './observation.ts';
import type {
  Clock,
  ClusterStore,
  EtcdPlacement,
  Health,
  HealthReports,
  Notifier,
  ProcessIdentity,
  ReplicatorControl,
  ReplicatorReports,
  RunState,
  SftpNodeControl,
  SftpNodeReports,
  Timers,
  VirtualIps,
  Watchdog,
} from './ports.ts';
import { Publisher } from './publisher.ts';
import { RecentDecisions, type Recording } from './recent-decisions.ts';
import { RecordWriter } from './record-writer.ts';

/** All that a supervisor needs of the world. `composition.ts` makes them of real parts, the simulator of models. */
export interface SupervisorOptions {
  readonly config: Config;
  readonly store: ClusterStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly vips: VirtualIps;
  readonly sftpNode: (reports: SftpNodeReports) => SftpNodeControl;
  readonly replicator: (reports: ReplicatorReports) => ReplicatorControl;
  readonly health: (reports: HealthReports) => Health;
  /** Null: etcd's own leadership is left where it is. */
  readonly placement: EtcdPlacement | null;
  /** Null: none is to be used. */
  readonly watchdog: Watchdog | null;
  readonly runState: RunState;
  readonly notifier: Notifier;
  readonly identityOf: (pid: number) => ProcessIdentity | null;
  /** Hardware addresses that answer for the virtual IPs while this host leads. */
  readonly linkAddresses?: () => readonly string[];
  /** Ends what an earlier run of this host left; what it cannot end ends by itself. */
  readonly cleanUpEarlierRun: () => Promise<unknown>;
  /** Keeps what led to an impossible decision. @returns where, for the log */
  readonly saveRecording: (recording: Recording) => string;
  /** Ends this process at once, as any defect does. */
  readonly crash: (error: unknown) => void;
  readonly log: Logger;
}

/** Often enough that a deadline is met within a small part of the margin. */
const tickMs = 50;
const publishEveryMs = 500;

/**
 * The loop: whatever is observed is decided upon at once, and the orders are carried out. All judgement is in `decide`,
 * all work in the executor, the loops and the observers around it.
 */
export class Supervisor {
  readonly config: Config;
  readonly timing: Timing;
  readonly sftpNode: SftpNodeControl;
  readonly replicator: ReplicatorControl;
  readonly health: Health;
  readonly #options: SupervisorOptions;
  readonly #recent = new RecentDecisions();
  readonly #lease: LeaseLoop;
  readonly #reader: ClusterReader;
  readonly #membership: Membership;
  readonly #publisher: Publisher;
  readonly #executor: Executor;
  readonly #history: HistoryRecorder;
  readonly #annotator: HistoryAnnotator;
  readonly #placement: EtcdPlacementObserver;
  readonly #watchdog: WatchdogFeeder;
  readonly #over = new AbortController();
  #state: RoleState;
  #peerKey: string | null = null;

  constructor(options: SupervisorOptions) {
    const { config, store, clock, timers, vips, runState, log } = options;
    const { id: nodeId } = config.node;
    const observe = (observation: Observation) => this.#observe(observation);
    this.#options = options;
    this.config = config;
    this.timing = timingOf(config.lease, Math.max(0, ...commandVipsOf(config).map((vip) => vip.timeoutMs)));
    const settings = clusterSettingsOf(config);
    this.#state = initialState(nodeId, config.node.noFailover, config.node.priority, settings);
    this.#reader = new ClusterReader({
      store,
      timers,
      everyMs: config.lease.renewEvery,
      onView: (view) => this.#onView(view),
      onLeader: (leader, revision) => observe({ type: 'leader-seen', leader, revision }),
      log,
    });
    this.#lease = new LeaseLoop({
      store,
      clock,
      timers,
      renewEveryMs: config.lease.renewEvery,
      observe,
      remember: (leaseId) => runState.remember({ leaseId }),
      log,
    });
    this.#membership = new Membership({
      store,
      state: () => this.#state,
      onView: (view) => this.#onView(view),
      log,
    });
    this.#publisher = new Publisher(store, clock, log);
    this.#placement = new EtcdPlacementObserver(options.placement, timers, log);
    this.#history = new HistoryRecorder({ store, clock, log });
    this.#annotator = new HistoryAnnotator({ nodeId, store, clock, log });
    this.#watchdog = new WatchdogFeeder({
      watchdog: options.watchdog,
      isRequired: config.watchdog.mode === 'required',
      observe,
      log,
    });
    this.sftpNode = options.sftpNode(this.#sftpNodeReports());
    this.replicator = options.replicator(this.#replicatorReports());
    this.health = options.health({
      isServing: () => this.#state.phase.name === 'leading' && this.#state.node.is === 'listening',
      hasSftpPort: () => {
        const { phase, node, spare } = this.#state;
        return phase.name !== 'standby' || node.is !== 'absent' || spare !== 'absent';
      },
      leaderLinks: () => leaderLinksIn(this.#state),
      unfit: (unfit) => observe({ type: 'health', unfit }),
      silentNode: (again) => this.#onSilentNode(again),
    });
    const readAgain = () => this.#reader.readSoon();
    this.#executor = new Executor({
      clock,
      vips,
      announcer: new Announcer(vips, timers, log),
      sftpNode: this.sftpNode,
      replicator: this.replicator,
      leadership: new LeadershipWriter({ nodeId, store, clock, observe, readAgain }),
      records: new RecordWriter({
        nodeId,
        store,
        clock,
        cluster: () => this.#state.cluster,
        leaseId: () => this.#lease.leaseId,
        readAgain,
      }),
      observe,
      exit: () => this.#over.abort(),
      log,
    });
  }

  get state(): RoleState {
    return this.#state;
  }

  /** Runs until stopped. Resolves when the service is down and leadership handed over or released. */
  async run(): Promise<void> {
    const { timers, notifier, cleanUpEarlierRun } = this.#options;
    const { signal } = this.#over;
    const endTicks = timers.every(tickMs, () => this.#observe({ type: 'tick' }));
    const endPublishing = timers.every(publishEveryMs, () => this.#publish());
    await cleanUpEarlierRun();
    this.replicator.start();
    notifier.ready();
    await Promise.all([this.#lease.run(signal), this.#reader.run(signal), this.health.run(signal)]);
    endTicks();
    endPublishing();
    await this.#leave();
  }

  /** A planned stop: the service is handed over, not dropped. */
  stop(): void {
    this.#observe({ type: 'stop' });
  }

  /** What promotions of this host failed at is mended, as an operator says. */
  clear(by: string): void {
    this.#options.log.info(`failed promotions are cleared by ${by}`);
    this.#observe({ type: 'cleared' });
    this.#publish();
  }

  /** An operator wrote to etcd: it is read at once. */
  readSoon(): void {
    this.#reader.readSoon();
  }

  /** Why this host may not take over now; empty when it may. */
  ineligibility() {
    return ineligibility(this.#state, this.#options.clock.bootTimeMs(), this.timing);
  }

  #sftpNodeReports(): SftpNodeReports {
    const { runState, identityOf, log } = this.#options;
    return {
      spare: (is) => {
        this.#observe({ type: 'spare', is });
        this.#publish();
      },
      starting: (epoch) => this.#observe({ type: 'node-starting', epoch }),
      started: (pid) => runState.remember({ sftpNode: identityOf(pid) }),
      listening: (epoch) => this.#observe({ type: 'node-listening', epoch }),
      gateShut: (epoch) => this.#observe({ type: 'node-gate-shut', epoch }),
      exited: (epoch, cause) => {
        log.info({ epoch, code: cause.code }, cause.sentence);
        this.#observe({ type: 'node-exited', epoch, cause });
      },
    };
  }

  #replicatorReports(): ReplicatorReports {
    return {
      ready: (publicKey) => {
        this.#peerKey = publicKey;
        this.#observe({ type: 'replicator-ready' });
        this.#publish();
      },
      status: (status) => this.#observe({ type: 'replicator-status', status }),
      handedOff: (complete, reason) => {
        this.#observe({ type: 'handed-off', epoch: epochOf(this.#state.phase), complete, reason });
      },
      gone: () => this.#observe({ type: 'replicator-gone' }),
      changeMembership: (request) => this.#membership.change(request),
    };
  }

  #onSilentNode(again: boolean): void {
    this.#options.log.error({ code: 'SFTP_NODE_SILENT' }, 'the SFTP node does not answer and is killed');
    this.sftpNode.kill();
    if (again) this.#observe({ type: 'node-stuck', epoch: epochOf(this.#state.phase) });
  }

  #observe(observation: Observation): void {
    const { clock, log, notifier } = this.#options;
    const atMs = clock.bootTimeMs();
    const before = this.#state;
    const { state, orders, changes } = this.#decide({ ...observation, at: atMs });
    this.#state = state;
    this.#history.onDecision(before, state, atMs);
    this.#annotator.onDecision(before, state, atMs);
    this.#watchdog.onDecision(state, atMs);
    this.#placement.onDecision(state);
    for (const change of changes) this.#report(change);
    this.#executor.carryOut(orders);
    if (observation.type === 'tick') notifier.alive();
    else log.trace({ observation: observation.type, phase: state.phase.name }, 'observed');
  }

  /**
   * A decision that should be impossible ends this process wherever its observation came from, as any defect: whoever
   * reported it may catch what is thrown, so throwing alone is not enough. What led to it is on disk.
   */
  #decide(event: RoleEvent): Decision {
    this.#recent.add(this.#state, event);
    try {
      return decide(this.#state, event, this.timing);
    } catch (error) {
      const { log, saveRecording, crash } = this.#options;
      const file = saveRecording(this.#recent.recording(version, this.timing, this.#state));
      log.fatal(
        { code: 'INTERNAL', reason: messageOf(error), file },
        'an impossible decision: see `holdfast replay`',
      );
      crash(error);
      throw error;
    }
  }

  #report({ row, epoch, cause }: Change): void {
    const { log, notifier } = this.#options;
    const level = row.to === 'stepping-down' ? 'error' : 'info';
    const why = cause === null ? row.sentence : `${row.sentence}: ${cause.sentence}`;
    log[level]({ from: row.from, to: row.to, epoch, ...(cause === null ? {} : { code: cause.code }) }, why);
    notifier.status(`${row.to}, epoch ${epoch}`);
    this.#publish();
  }

  #onView(view: ClusterView): void {
    this.replicator.tellPeers(peersIn(view, this.config.node.id));
    this.#observe({ type: 'cluster-read', view });
    const own = view.nodes.find((node) => node.node === this.config.node.id);
    if (own !== undefined) this.#publisher.onRead(own, view.sentAtMs);
    this.#publish();
  }

  #publish(): void {
    void this.#publisher.publish(this.#nodeRecord(), this.#lease.leaseId, this.#peerRecord());
  }

  #nodeRecord(): NodeRecord {
    const { node } = this.config;
    const { position, caughtUp, configDigest, hostKeyFingerprints } = this.#state.replicator;
    return {
      node: node.id,
      version,
      priority: node.priority,
      noFailover: node.noFailover,
      position,
      caughtUp,
      configDigest,
      hostKeyFingerprints: [...hostKeyFingerprints],
      settings: this.#state.settings,
      linkAddresses: [...(this.#options.linkAddresses?.() ?? [])],
      preparedFor: preparedFor(this.#state),
      ineligible: this.ineligibility(),
      health: this.health.facts
        .filter((fact) => fact.level !== 'ok')
        .map(({ name, level, detail }) => ({ name, level, detail })),
    };
  }

  #peerRecord(): PeerRecord | null {
    const { node, replication } = this.config;
    if (this.#peerKey === null) return null;
    return { node: node.id, address: replication.address, port: replication.port, publicKey: this.#peerKey };
  }

  async #leave(): Promise<void> {
    const { store, runState } = this.#options;
    this.replicator.close();
    if (this.#lease.leaseId !== null) {
      await store.revokeLease(this.#lease.leaseId).then(
        () => runState.forget(),
        () => {},
      );
    }
    store.close();
  }
}

function leaderLinksIn({ cluster, nodeId }: RoleState): readonly string[] | null {
  const leader = cluster?.leader?.node;
  if (leader === undefined || leader === nodeId) return null;
  const links = cluster?.nodes.find(({ node }) => node === leader)?.linkAddresses ?? [];
  return links.length === 0 ? null : links;
}

function peersIn(view: ClusterView, self: string): Peer[] {
  const alive = new Set(view.nodes.map((node) => node.node));
  return view.peers
    .filter((peer) => peer.node !== self)
    .map(({ node, address, port, publicKey }) => ({
      nodeId: node,
      address,
      port,
      publicKey,
      alive: alive.has(node),
    }));
}
