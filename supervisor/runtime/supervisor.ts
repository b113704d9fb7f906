import { HoldfastError, messageOf } from '#contracts/errors.ts';
import type { Held } from '#contracts/ipc/at-risk.ts';
import type { Logger } from '#contracts/log.ts';
import { version } from '#contracts/version.ts';
import { clusterSettingsOf } from '../config/cluster-settings.ts';
import { type Config, commandVipsOf } from '../config/schema.ts';
import type { Change } from '../core/leadership/advance.ts';
import { type Decision, decide } from '../core/leadership/decide.ts';
import { ineligibility } from '../core/leadership/eligibility.ts';
import type { RoleEvent } from '../core/leadership/events.ts';
import { epochOf, initialState, type RoleState } from '../core/leadership/state.ts';
import { type Timing, timingOf } from '../core/leadership/timing.ts';
import type { ClusterView } from '../core/records/records.ts';
import { AtRiskRecorder } from '../observers/at-risk-recorder.ts';
import { ClusterFacts } from '../observers/cluster-facts.ts';
import { EtcdPlacementObserver } from '../observers/etcd-placement.ts';
import { HistoryAnnotator } from '../observers/history-annotator.ts';
import { HistoryRecorder } from '../observers/history-recorder.ts';
import { HoldingsObserver, holdingFacts } from '../observers/holdings.ts';
import { WatchdogFeeder } from '../observers/watchdog-feeder.ts';
import { Announcer } from './announcer.ts';
import { ClusterReader } from './cluster-reader.ts';
import { Executor } from './executor.ts';
import { LeadershipWriter } from './leadership-writer.ts';
import { LeaseLoop } from './lease-loop.ts';
import { Membership } from './membership.ts';
import type { Observation } from './observation.ts';
import { nodeRecordOf, peerRecordOf, peersIn } from './own-records.ts';
import type {
  Clock,
  ClusterStore,
  EtcdPlacement,
  Health,
  HealthFact,
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
import { Ticker } from './ticker.ts';

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
  readonly #ticker: Ticker;
  readonly #clusterFacts: ClusterFacts;
  readonly #holdings: HoldingsObserver;
  readonly #atRisk: AtRiskRecorder;
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
    const { noFailover, priority } = config.node;
    this.#state = initialState(nodeId, noFailover, priority, config.cluster, settings);
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
      onChanged: (epoch, members) => observe({ type: 'in-sync-changed', epoch, members }),
      log,
    });
    this.#ticker = new Ticker({ everyMs: tickMs, clock, timers, tick: () => observe({ type: 'tick' }) });
    this.#publisher = new Publisher(store, clock, log);
    this.#placement = new EtcdPlacementObserver(options.placement, timers, log);
    this.#history = new HistoryRecorder({ store, clock, leaseTtlMs: config.lease.ttl, log });
    this.#holdings = new HoldingsObserver(log);
    const tellHeld = (held: Held[]) => this.replicator.tellHeld(held);
    this.#atRisk = new AtRiskRecorder({ store, clock, tellHeld, log });
    this.#annotator = new HistoryAnnotator({ nodeId, store, clock, log });
    this.#clusterFacts = new ClusterFacts(nodeId, () => Date.parse(clock.wallTimeIso()));
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
      silentEngine: (isSilent) => observe({ type: 'engine-silent', isSilent }),
      stuckEngine: () => {
        log.error({ code: 'ENGINE_SILENT' }, 'the replicator answers nothing, and is killed');
        this.replicator.kill();
      },
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
    const endTicks = timers.every(tickMs, () => this.#ticker.tick());
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

  /**
   * An operator lets the comparison that waits take away so many files.
   * @throws HoldfastError NO_REMOVAL
   */
  acceptRemoval(by: string, files: number): void {
    if (this.#state.replicator.heldRemoval === null) {
      throw new HoldfastError('NO_REMOVAL', 'no comparison of this host waits');
    }
    this.#options.log.warn({ files }, `the removal of ${files} files is accepted by ${by}`);
    this.replicator.acceptRemoval(files);
  }

  /** An operator wrote to etcd: it is read at once. */
  readSoon(): void {
    this.#reader.readSoon();
  }

  /** What was looked at on this host, and what it makes of what etcd says of the others. */
  get healthFacts(): readonly HealthFact[] {
    return [
      ...this.health.facts,
      ...this.replicator.configFacts,
      ...holdingFacts(this.#state),
      ...this.#clusterFacts.facts,
    ];
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
        this.#atRisk.onReplicatorStarted();
        this.#observe({ type: 'replicator-ready' });
        this.#publish();
      },
      status: (status) => {
        this.#observe({ type: 'replicator-status', status });
        void this.#atRisk.onStatus(this.#state, status);
      },
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
    this.#holdings.onDecision(state);
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
    this.#clusterFacts.onView(view);
    const own = view.nodes.find((node) => node.node === this.config.node.id);
    if (own !== undefined) this.#publisher.onRead(own, view.sentAtMs);
    this.#publish();
  }

  #publish(): void {
    const record = nodeRecordOf({
      config: this.config,
      state: this.#state,
      ineligible: this.ineligibility(),
      health: this.healthFacts,
      linkAddresses: this.#options.linkAddresses?.() ?? [],
      resync: this.replicator.resync,
    });
    void this.#publisher.publish(record, this.#lease.leaseId, peerRecordOf(this.config, this.#peerKey));
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
