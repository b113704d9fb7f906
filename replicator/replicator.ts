import { mkdirSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { bootTimeMs } from '#contracts/boot-time.ts';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import type { Held } from '#contracts/ipc/at-risk.ts';
import {
  type FromReplicator,
  maxConfigProblems,
  type Peer,
  type ReplicatorSettings,
} from '#contracts/ipc/replicator.ts';
import { LoopWatch } from '#contracts/lateness.ts';
import type { Logger } from '#contracts/log.ts';
import { rootIdsOf } from '#contracts/roots.ts';
import { ConfigRoot } from './config/config-root.ts';
import { ensureHostKeys } from './config/host-keys.ts';
import { Doors } from './doors.ts';
import { EarlyPeers } from './early-peers.ts';
import { StorageEngine } from './engine/engine.ts';
import type { EngineOptions } from './engine/options.ts';
import { engineOptions, logFolderOf } from './engine-options.ts';
import { Aside } from './following/aside.ts';
import { Follower } from './following/follower.ts';
import { RemovalGate } from './following/removal-gate.ts';
import { Leader } from './leading/leader.ts';
import { Quarantine } from './quarantine/quarantine.ts';
import { KeeperThread } from './quarantine/thread.ts';
import { answerTo } from './questions.ts';
import { RoleTurns } from './role-turns.ts';
import { Holdings } from './state/holdings.ts';
import { makeRoots } from './state/make-roots.ts';
import { Newcomer } from './state/newcomer.ts';
import { loadPeerKey, type PeerKey } from './state/peer-key.ts';
import { PositionStore } from './state/position-store.ts';
import { Roots } from './state/roots.ts';
import { wallTime } from './state/wall-clock.ts';
import { failedFilesIn, type Status, StatusReporter } from './status.ts';
import type { ToEngineThread } from './thread/messages.ts';
import { listenForPeers, type PeerListener } from './transport/listener.ts';
import { type TlsOptions, tlsOptions } from './transport/tls.ts';
import type { WriteGate } from './write-gate.ts';

/** What the supervisor's messages mean: this host's part in replication, whatever its role. */
export class Replicator {
  readonly #settings: ReplicatorSettings;
  readonly #log: Logger;
  readonly #send: (message: FromReplicator) => void;
  readonly #key: PeerKey;
  readonly #tls: TlsOptions;
  readonly #positions: PositionStore;
  readonly #roots: Roots;
  readonly #newcomer: Newcomer;
  readonly #holdings: Holdings;
  readonly #config: ConfigRoot;
  readonly #status: StatusReporter;
  readonly #quarantine: KeeperThread;
  readonly #loop: LoopWatch;
  readonly #engine: StorageEngine;
  readonly #doors: Doors;
  readonly #gate: WriteGate;
  readonly #aside: Aside;
  readonly #removals: RemovalGate;
  #listener: PeerListener | null = null;
  #peers = new Map<string, Peer>();
  #leader: Leader | null = null;
  #follower: Follower | null = null;
  readonly #roles: RoleTurns;
  readonly #early = new EarlyPeers();
  #quarantined = 0;
  #toldEpoch = 0;
  /** What an earlier leader knew of other hosts. */
  #held: readonly Held[] | null = null;

  /**
   * Opens the storage engine, and listens for peers and for doors.
   * @throws HoldfastError
   */
  static async start(
    settings: ReplicatorSettings,
    log: Logger,
    send: (message: FromReplicator) => void,
    gate: WriteGate,
  ): Promise<Replicator> {
    makeRoots(settings);
    mkdirSync(logFolderOf(settings), { recursive: true, mode: 0o700 });
    const aside = new Aside();
    const setAside: EngineOptions['setAside'] = (entry, path, why) => aside.take(entry, path, why);
    const engine = await StorageEngine.open(engineOptions(settings, setAside, log));
    log.info({ start: engine.start, position: engine.store.log.position }, 'the storage engine is open');
    const doors = await Doors.listen(settings.engineSocket, log);
    const replicator = new Replicator(settings, log, send, { engine, doors, gate, aside });
    await replicator.#listen();
    return replicator;
  }

  private constructor(
    settings: ReplicatorSettings,
    log: Logger,
    send: (message: FromReplicator) => void,
    { engine, doors, gate, aside }: { engine: StorageEngine; doors: Doors; gate: WriteGate; aside: Aside },
  ) {
    this.#settings = settings;
    this.#log = log;
    this.#send = send;
    this.#engine = engine;
    this.#doors = doors;
    this.#gate = gate;
    this.#aside = aside;
    this.#removals = new RemovalGate(settings, log, () => this.#status.changed());
    this.#key = loadPeerKey(settings.stateRoot, settings.nodeId);
    this.#tls = tlsOptions(this.#key, settings.nodeId);
    this.#roles = new RoleTurns(
      (error) => {
        this.#tellFailure(error);
        this.#endRole();
      },
      () => this.#status.now(),
    );
    this.#positions = new PositionStore(settings.stateRoot);
    this.#roots = new Roots(settings, log, bootTimeMs);
    this.#newcomer = new Newcomer(settings.stateRoot);
    this.#config = new ConfigRoot({
      configRoot: settings.configRoot,
      stateRoot: settings.stateRoot,
      log,
      now: bootTimeMs,
      wallClock: wallTime,
      onChange: () => this.#onConfigChanged(),
    });
    this.#loop = new LoopWatch({ onLate: (byMs) => send({ type: 'late', byMs }) }).start();
    this.#quarantine = new KeeperThread({
      ...settings,
      bounds: settings.quarantineBounds,
      log,
      onSummary: () => this.#status.changed(),
    });
    this.#status = new StatusReporter(() => this.#readStatus(), send);
    this.#holdings = new Holdings(this.#positions, this.#roots, log, () => this.#status.changed());
  }

  handle(message: ToEngineThread): void {
    switch (message.type) {
      case 'peers':
        this.#peers = new Map(message.peers.map((peer) => [peer.nodeId, peer]));
        this.#listener?.reviewTrust();
        this.#follower?.onPeers();
        break;
      case 'lead':
        this.#enter(message.epoch, () => this.#lead(message));
        break;
      case 'follow':
        this.#enter(message.epoch, () => this.#follow(message));
        break;
      case 'idle':
        this.#endRole();
        this.#status.now();
        break;
      case 'admit':
        this.#admit(message.replaces, message.at);
        break;
      case 'replace-failed-files':
        if (this.#leader === null) void this.#replaceFailedFiles();
        break;
      case 'accept-removal':
        this.#removals.accept();
        this.#follower?.goOn();
        break;
      case 'membership-result':
        this.#leader?.onMembershipResult(message.requestId, message.accepted, message.inSync);
        break;
      case 'hand-off':
        this.#handOff(message.target);
        break;
      case 'held':
        this.#held = message.held;
        this.#leader?.atRisk.learn(message.held);
        break;
      case 'quarantine':
      case 'at-risk':
        void answerTo(message, { quarantine: this.#quarantine, leader: this.#leader }).then(this.#send);
        break;
    }
  }

  async #listen(): Promise<void> {
    const { listenAddress, listenPort } = this.#settings;
    this.#listener = await listenForPeers({
      address: listenAddress,
      port: listenPort,
      tls: this.#tls,
      log: this.#log,
      peers: () => this.#peers,
      onChannel: (nodeId, stream, hangUp) => this.#onPeerChannel(nodeId, stream, hangUp),
    });
    this.#send({ type: 'ready', publicKey: this.#key.publicKey, port: this.#listener.port });
    this.#status.now();
  }

  /** The fence: nothing of a leadership is done before its epoch is on disk, and nothing of one that is over. */
  #enter(epoch: number, role: () => void): void {
    try {
      this.#positions.enterEpoch(epoch);
      role();
    } catch (error) {
      this.#tellFailure(error);
    }
    this.#status.now();
  }

  #tellFailure(error: unknown): void {
    this.#log.error({ err: error }, messageOf(error));
    if (error instanceof HoldfastError && error.code === 'EPOCH_STALE') return;
    const code = error instanceof HoldfastError ? error.code : 'REPLICATOR_FAILED';
    this.#send({ type: 'failed', code, message: messageOf(error) });
  }

  /** Only with the roots that the supervisor judged: it may not know yet that this process found others. */
  #checkRoot(root: string): void {
    if (this.#roots.confirm(root)) return;
    this.#endRole();
    throw new HoldfastError(
      'ROOT_FOREIGN',
      `the roots of this host are not those of ${root}: nothing is done`,
    );
  }

  #lead({ epoch, inSync, root }: Extract<ToEngineThread, { type: 'lead' }>): void {
    this.#checkRoot(root);
    const { nodeId } = this.#settings;
    if (this.#roles.is(epoch, nodeId)) {
      this.#leader?.onLeadRepeated(inSync);
      return;
    }
    this.#endRole();
    this.#roles.begin(epoch, nodeId, async (isOver) => {
      this.#config.refresh();
      if (!this.#config.mayLackHostKeys && ensureHostKeys(this.#config.path, this.#config.snapshot)) {
        this.#config.refresh();
      }
      this.#config.keepLastGood();
      const leading = await this.#engine.lead(epoch, nodeId);
      if (isOver()) return;
      const leader = new Leader({
        settings: this.#settings,
        leading,
        inSync,
        config: this.#config,
        log: this.#log,
        now: () => this.#loop.attendedMs(),
        peers: () => this.#peers,
        send: this.#send,
        onChanged: () => this.#status.changed(),
        onHigherEpoch: (seen) => this.#onHigherEpoch(seen),
        onRefusal: (reason) => this.#doors.refuse(reason),
        onRoom: () => this.#engine.onFollowersRoom(),
      });
      if (this.#held !== null) leader.atRisk.learn(this.#held);
      this.#leader = leader;
      this.#doors.serve(epoch, this.#engine.serve(leading, this.#gate.of(epoch), leader));
      this.#log.info({ epoch, inSync }, 'leading: taking changes from doors and serving followers');
      this.#early.takeAll((id, stream, hangUp) => leader.attach(id, stream, hangUp));
    });
  }

  #follow({ epoch, leader, root }: Extract<ToEngineThread, { type: 'follow' }>): void {
    if (root === null) this.#roots.distrust();
    else this.#checkRoot(root);
    if (this.#roles.is(epoch, leader)) return;
    this.#endRole();
    this.#roles.begin(epoch, leader, async (isOver) => {
      this.#engine.stopLeading();
      if (root === null) await this.#distrustOnce();
      if (isOver()) return;
      const quarantine = new Quarantine({
        ...{ root: this.#settings.quarantineRoot, epoch, leader, log: this.#log, wallClock: wallTime },
        onMoved: () => this.#onQuarantined(),
      });
      this.#aside.begin({ quarantine, removals: this.#removals, leader });
      const follower = new Follower({
        settings: this.#settings,
        epoch,
        leader,
        quarantine,
        removals: this.#removals,
        highestEpoch: this.#positions.highestEpoch,
        engine: this.#engine,
        config: this.#config,
        tls: this.#tls,
        isAdmitted: () => this.#roots.inForce,
        log: this.#log,
        now: () => this.#loop.attendedMs(),
        peer: (nodeId) => this.#peers.get(nodeId),
        onQuarantined: () => this.#onQuarantined(),
        onChanged: () => this.#status.changed(),
      });
      this.#follower = follower;
      this.#log.info({ epoch, leader }, 'following');
      await follower.run();
    });
  }

  #onQuarantined(): void {
    this.#quarantined += 1;
    this.#quarantine.onMoved();
    this.#status.changed();
  }

  #endRole(): void {
    this.#roles.end();
    this.#doors.shut();
    this.#leader?.stop();
    this.#leader = null;
    this.#held = null;
    if (this.#engine.isLeading) this.#engine.stopLeading();
    this.#follower?.stop();
    this.#follower = null;
    this.#removals.clear();
    this.#holdings.savePosition();
  }

  /** What lies here counts for nothing: all of it is compared with the leader's. */
  async #distrustOnce(): Promise<void> {
    const ids = rootIdsOf(this.#roots.report);
    if (this.#settings.mode === 'shared' || this.#newcomer.hasBegun(ids)) return;
    await this.#engine.distrust();
    this.#newcomer.begun(ids);
  }

  async #replaceFailedFiles(): Promise<void> {
    if (await this.#engine.replaceFailedFiles(this.#log)) this.#follower?.onFilesTakenAway();
  }

  #onPeerChannel(nodeId: string, stream: Duplex, hangUp: () => void): void {
    if (this.#leader === null) this.#early.add(nodeId, { stream, hangUp });
    else this.#leader.attach(nodeId, stream, hangUp);
  }

  #onHigherEpoch(epoch: number): void {
    this.#toldEpoch = Math.max(this.#toldEpoch, epoch);
    this.#status.now();
  }

  #handOff(target: string): void {
    const report = (complete: boolean, reason: string) =>
      this.#send({ type: 'handoff', target, complete, reason });
    if (this.#leader === null) {
      report(false, 'this host does not lead');
      return;
    }
    this.#leader.handOff(target, this.#settings.syncTimeoutMs).then(
      () => report(true, ''),
      (error: unknown) => report(false, messageOf(error)),
    );
  }

  #onConfigChanged(): void {
    if (this.#leader !== null) this.#config.keepLastGood();
    this.#leader?.onConfigChanged();
    this.#follower?.onConfigChanged();
    this.#status.changed();
  }

  #admit(replaces: string, at: number): void {
    void this.#holdings.admit(replaces, at).then(() => {
      if (this.#roots.inForce) {
        this.#newcomer.admitted();
        this.#follower?.onAdmitted();
      }
      this.#status.now();
    });
  }

  #readStatus(): Status {
    const leader = this.#leader;
    const follower = this.#follower;
    if (follower?.caughtUp) this.#removals.clear();
    const { position } = this.#engine.store.log;
    this.#positions.advance(position);
    return {
      type: 'status',
      role: leader !== null ? 'leader' : follower !== null ? 'follower' : 'idle',
      highestEpoch: this.#positions.highestEpoch,
      toldEpoch: this.#toldEpoch,
      position: { ...position },
      caughtUp: follower?.caughtUp ?? false,
      resync: follower?.resync ?? null,
      configDigest: this.#config.snapshot.digest,
      configProblems: this.#config.problems.slice(0, maxConfigProblems),
      hostKeyFingerprints: this.#config.fingerprints,
      peers: leader?.progress() ?? [],
      atRisk: leader?.atRisk.reported?.slice() ?? null,
      quarantined: this.#quarantined,
      quarantine: this.#quarantine.summary,
      roots: this.#roots.report,
      heldRemoval: this.#removals.pending,
      failedFiles: failedFilesIn(this.#engine.store.failedFiles),
    };
  }
}
