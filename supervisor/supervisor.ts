import { messageOf } from '#contracts/errors.ts';
import type { NodeId } from '#contracts/identities.ts';
import type { FromReplicator, Peer } from '#contracts/ipc/replicator.ts';
import type { Logger } from '#contracts/log.ts';
import { warmUp } from './adapters/process/child.ts';
import { identityOf } from './adapters/process/identity.ts';
import { ReplicatorProcess } from './adapters/process/replicator.ts';
import { SftpNodeProcess } from './adapters/process/sftp-node.ts';
import { endEarlierRun } from './aftermath.ts';
import { changedMembers } from './cluster/membership.ts';
import type { ClusterView, NodeRecord, PeerRecord } from './cluster/records.ts';
import { ClusterReader } from './cluster-reader.ts';
import { type Config, commandVipsOf } from './config/schema.ts';
import { Operator } from './control/operator.ts';
import { Announcer } from './effects/announcer.ts';
import { Executor, type Observation } from './effects/executor.ts';
import { LeadershipWriter } from './effects/leadership-writer.ts';
import { RecordWriter } from './effects/record-writer.ts';
import { HealthMonitor } from './health/monitor.ts';
import { Hindsight } from './hindsight.ts';
import { HistoryKeeper } from './history-keeper.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { PlacementKeeper } from './placement-keeper.ts';
import type {
  Clock,
  ClusterStore,
  EtcdPlacement,
  Notifier,
  RunState,
  VirtualIps,
  Watchdog,
} from './ports.ts';
import { Publisher } from './publisher.ts';
import { RecentDecisions, saveRecording } from './recent-decisions.ts';
import type { Change } from './role/advance.ts';
import { type Decision, decide } from './role/decide.ts';
import { ineligibility } from './role/eligibility.ts';
import type { RoleEvent } from './role/events.ts';
import { preparedFor } from './role/handing-over.ts';
import { epochOf, initialState, type RoleState } from './role/state.ts';
import { type Timing, timingOf } from './role/timing.ts';
import { version } from './version.ts';
import { WatchdogKeeper } from './watchdog-keeper.ts';

export interface SupervisorParts {
  readonly config: Config;
  readonly store: ClusterStore;
  /** Null: etcd's own leadership is left where it is. */
  readonly placement: EtcdPlacement | null;
  readonly vips: VirtualIps;
  readonly clock: Clock;
  readonly runState: RunState;
  readonly notifier: Notifier;
  /** Null: none is to be used. */
  readonly watchdog: Watchdog | null;
  readonly log: Logger;
}

/** Often enough that a deadline is met within a small part of the margin. */
const tickMs = 50;
const publishEveryMs = 500;

/**
 * The loop: whatever is observed is decided upon at once, and the orders are carried out. All judgement is in `decide`,
 * all work in the executor and the keepers around it.
 */
export class Supervisor {
  readonly config: Config;
  readonly keeper: LeaseKeeper;
  readonly sftpNode: SftpNodeProcess;
  readonly replicator: ReplicatorProcess;
  readonly health: HealthMonitor;
  readonly operator: Operator;
  readonly recent = new RecentDecisions();
  readonly timing: Timing;
  state: RoleState;
  readonly #parts: SupervisorParts;
  readonly #reader: ClusterReader;
  readonly #publisher: Publisher;
  readonly #executor: Executor;
  readonly #history: HistoryKeeper;
  readonly #hindsight: Hindsight;
  readonly #placement: PlacementKeeper;
  readonly #watchdog: WatchdogKeeper;
  readonly #over = new AbortController();
  #peerKey: string | null = null;

  constructor(parts: SupervisorParts) {
    const { config, store, clock, vips, runState, log } = parts;
    const observe = (observation: Observation) => this.#observe(observation);
    this.#parts = parts;
    this.config = config;
    this.timing = timingOf(config.lease, Math.max(0, ...commandVipsOf(config).map((vip) => vip.timeoutMs)));
    this.state = initialState(config.node.id, config.node.noFailover, config.node.priority);
    this.#reader = new ClusterReader({
      store,
      everyMs: config.lease.renewEvery,
      onView: (view) => this.#onView(view),
      onLeader: (leader, revision) => observe({ type: 'leader-seen', leader, revision }),
      log,
    });
    this.#publisher = new Publisher(store, clock, log);
    this.#placement = new PlacementKeeper(parts.placement, log);
    this.#history = new HistoryKeeper({ store, clock, log });
    this.#hindsight = new Hindsight({ nodeId: config.node.id, store, clock, log });
    this.operator = new Operator({ store, clock, log, onWritten: () => this.#reader.readSoon() });
    this.keeper = new LeaseKeeper({
      store,
      clock,
      renewEveryMs: config.lease.renewEvery,
      observe,
      remember: (leaseId) => runState.remember({ leaseId }),
      log,
    });
    this.sftpNode = new SftpNodeProcess(
      config,
      {
        spare: (is) => {
          observe({ type: 'spare', is });
          this.#publish();
        },
        starting: (epoch) => observe({ type: 'node-starting', epoch }),
        started: (pid) => runState.remember({ sftpNode: identityOf(pid) }),
        listening: (epoch) => observe({ type: 'node-listening', epoch }),
        gateShut: (epoch) => observe({ type: 'node-gate-shut', epoch }),
        exited: (epoch, cause) => {
          log.info({ epoch, code: cause.code }, cause.sentence);
          observe({ type: 'node-exited', epoch, cause });
        },
      },
      log,
    );
    this.replicator = new ReplicatorProcess(
      config,
      {
        ready: (publicKey) => {
          this.#peerKey = publicKey;
          observe({ type: 'replicator-ready' });
          this.#publish();
        },
        status: (status) => observe({ type: 'replicator-status', status }),
        handedOff: (complete, reason) => {
          observe({ type: 'handed-off', epoch: epochOf(this.state.phase), complete, reason });
        },
        gone: () => observe({ type: 'replicator-gone' }),
        changeMembership: (request) => this.#changeMembership(request),
      },
      log,
    );
    this.#watchdog = new WatchdogKeeper({
      watchdog: parts.watchdog,
      isRequired: config.watchdog.mode === 'required',
      observe,
      log,
    });
    this.health = new HealthMonitor({
      config,
      watchdog: parts.watchdog,
      wallMs: () => Date.parse(clock.wallTimeIso()),
      isServing: () => this.state.phase.name === 'leading' && this.state.node.is === 'listening',
      onUnfit: (unfit) => observe({ type: 'health', unfit }),
      onSilentNode: (again) => {
        log.error({ code: 'SFTP_NODE_SILENT' }, 'the SFTP node does not answer and is killed');
        this.sftpNode.kill();
        if (again) observe({ type: 'node-stuck', epoch: epochOf(this.state.phase) });
      },
    });
    this.#executor = new Executor({
      clock,
      vips,
      announcer: new Announcer(vips, log),
      sftpNode: this.sftpNode,
      replicator: this.replicator,
      leadership: new LeadershipWriter({
        nodeId: config.node.id,
        store,
        clock,
        observe,
        readAgain: () => this.#reader.readSoon(),
      }),
      records: new RecordWriter({
        nodeId: config.node.id,
        store,
        clock,
        cluster: () => this.state.cluster,
        leaseId: () => this.keeper.leaseId,
        readAgain: () => this.#reader.readSoon(),
      }),
      observe,
      exit: () => this.#over.abort(),
      log,
    });
  }

  /** Runs until stopped. Resolves when the service is down and leadership handed over or released. */
  async run(): Promise<void> {
    const { signal } = this.#over;
    const ticker = setInterval(() => this.#observe({ type: 'tick' }), tickMs);
    const publisher = setInterval(() => this.#publish(), publishEveryMs);
    await endEarlierRun({ ...this.#parts, store: async () => this.#parts.store });
    this.replicator.start();
    warmUp('sftp-node', this.config);
    this.#parts.notifier.ready();
    await Promise.all([this.keeper.run(signal), this.#reader.run(signal), this.health.run(signal)]);
    clearInterval(ticker);
    clearInterval(publisher);
    await this.#leave();
  }

  /** A planned stop: the service is handed over, not dropped. */
  stop(): void {
    this.#observe({ type: 'stop' });
  }

  /** What promotions of this host failed at is mended, as an operator says. */
  clear(by: string): void {
    this.#parts.log.info(`failed promotions are cleared by ${by}`);
    this.#observe({ type: 'cleared' });
    this.#publish();
  }

  /** Why this host may not take over now; empty when it may. */
  ineligibility() {
    return ineligibility(this.state, this.#parts.clock.bootTimeMs(), this.timing);
  }

  #observe(observation: Observation): void {
    const { clock, log, notifier } = this.#parts;
    const at = clock.bootTimeMs();
    const { state, orders, changes } = this.#decide({ ...observation, at });
    this.#history.see(this.state, state, at);
    this.#hindsight.see(this.state, state, at);
    this.state = state;
    this.#watchdog.see(state, at);
    this.#placement.leading(state.phase.name === 'leading');
    for (const change of changes) this.#report(change);
    this.#executor.carryOut(orders);
    if (observation.type === 'tick') notifier.alive();
    else log.trace({ observation: observation.type, phase: state.phase.name }, 'observed');
  }

  /** A decision that should be impossible ends this process, as any defect: with what led to it on disk. */
  #decide(event: RoleEvent): Decision {
    this.recent.add(this.state, event);
    try {
      return decide(this.state, event, this.timing);
    } catch (error) {
      const { clock, log } = this.#parts;
      const recording = this.recent.recording(version, this.timing, this.state);
      const file = saveRecording(this.config.paths.state, recording, clock.wallTimeIso());
      log.fatal(
        { code: 'INTERNAL', reason: messageOf(error), file },
        'an impossible decision: see `holdfast replay`',
      );
      throw error;
    }
  }

  #report({ row, epoch, cause }: Change): void {
    const { log, notifier } = this.#parts;
    const level = row.to === 'stepping-down' ? 'error' : 'info';
    const why = cause === null ? row.sentence : `${row.sentence}: ${cause.sentence}`;
    log[level]({ from: row.from, to: row.to, epoch, ...(cause === null ? {} : { code: cause.code }) }, why);
    notifier.status(`${row.to}, epoch ${epoch}`);
    this.#publish();
  }

  #onView(view: ClusterView): void {
    const alive = new Set(view.nodes.map((node) => node.node));
    const peers: Peer[] = view.peers
      .filter((peer) => peer.node !== this.config.node.id)
      .map(({ node, address, port, publicKey }) => ({
        nodeId: node,
        address,
        port,
        publicKey,
        alive: alive.has(node),
      }));
    this.replicator.tellPeers(peers);
    this.#observe({ type: 'cluster-read', view });
    const own = view.nodes.find((node) => node.node === this.config.node.id);
    if (own !== undefined) this.#publisher.seen(own, view.sentAtMs);
    this.#publish();
  }

  async #changeMembership(request: Extract<FromReplicator, { type: 'membership' }>) {
    const { store, log } = this.#parts;
    const epoch = epochOf(this.state.phase);
    const inSync = this.state.cluster?.inSync;
    const before: NodeId[] = [...(inSync?.members ?? [])];
    const members = changedMembers(before, request.change, request.nodeId, this.config.node.id);
    const reason = `${request.change} ${request.nodeId}: ${request.reason}`;
    const written = inSync != null && (await store.writeInSync(epoch, members, reason, inSync.modRevision));
    if (written) log.info({ epoch, members }, `in-sync set: ${reason}`);
    // The next request needs the new revision of the key.
    const view = await store.read();
    this.#onView(view);
    return { accepted: written, inSync: [...(view.inSync?.members ?? before)] };
  }

  #publish(): void {
    void this.#publisher.publish(this.#nodeRecord(), this.keeper.leaseId, this.#peerRecord());
  }

  #nodeRecord(): NodeRecord {
    const { node } = this.config;
    const { position, caughtUp, configDigest, hostKeyFingerprints } = this.state.replicator;
    return {
      node: node.id,
      version,
      priority: node.priority,
      noFailover: node.noFailover,
      position,
      caughtUp,
      configDigest,
      hostKeyFingerprints: [...hostKeyFingerprints],
      preparedFor: preparedFor(this.state),
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
    const { store, runState } = this.#parts;
    this.replicator.close();
    if (this.keeper.leaseId !== null) {
      await store.revokeLease(this.keeper.leaseId).then(
        () => runState.forget(),
        () => {},
      );
    }
    store.close();
  }
}
