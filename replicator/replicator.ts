import type { Duplex } from 'node:stream';
import { bootTimeMs } from '#contracts/boot-time.ts';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import {
  type FromReplicator,
  maxConfigProblems,
  type Peer,
  type ReplicatorSettings,
  type ToReplicator,
} from '#contracts/ipc/replicator.ts';
import { LoopWatch } from '#contracts/lateness.ts';
import type { Logger } from '#contracts/log.ts';
import { ConfigRoot } from './config/config-root.ts';
import { ensureHostKeys } from './config/host-keys.ts';
import { toLeaderSchema } from './protocol/message.ts';
import { PeerChannel } from './protocol/peer-channel.ts';
import { stagingRoot } from './quarantine/quarantine.ts';
import { KeeperThread } from './quarantine/thread.ts';
import { Applier } from './replica/apply.ts';
import { Follower } from './replica/follower.ts';
import { RemovalGate } from './replica/removal-gate.ts';
import { Staging } from './replica/staging.ts';
import { checkHello } from './source/hello-check.ts';
import { JournalIntake } from './source/journal-intake.ts';
import { Leader } from './source/leader.ts';
import type { FollowerChannel, Hello } from './source/leadership.ts';
import { ScrubSchedule } from './source/scrub-schedule.ts';
import { Holdings } from './state/holdings.ts';
import { makeRoots } from './state/make-roots.ts';
import { loadPeerKey, type PeerKey } from './state/peer-key.ts';
import { PositionStore } from './state/position-store.ts';
import { Roots } from './state/roots.ts';
import { wallTime } from './state/wall-clock.ts';
import { type Status, StatusReporter } from './status.ts';
import { listenForPeers, type PeerListener } from './transport/listener.ts';
import { type TlsOptions, tlsOptions } from './transport/tls.ts';
import { Tree } from './tree/tree.ts';

/** The process behind the supervisor's messages: this host's part in replication, whatever its role. */
export class Replicator {
  readonly #settings: ReplicatorSettings;
  readonly #log: Logger;
  readonly #send: (message: FromReplicator) => void;
  readonly #key: PeerKey;
  readonly #tls: TlsOptions;
  readonly #positions: PositionStore;
  readonly #roots: Roots;
  readonly #holdings: Holdings;
  readonly #removals: RemovalGate;
  readonly #config: ConfigRoot;
  readonly #tree: Tree;
  readonly #staging: Staging;
  readonly #status: StatusReporter;
  readonly #scrubs: ScrubSchedule;
  readonly #quarantine: KeeperThread;
  readonly #loop: LoopWatch;
  #intake: JournalIntake | null = null;
  #listener: PeerListener | null = null;
  #peers = new Map<string, Peer>();
  #leader: Leader | null = null;
  #follower: Follower | null = null;
  /** The end of the follower before: two must not touch the tree at a time. */
  #followerEnded: Promise<void> = Promise.resolve();
  /** Followers that said hello before this host was told to lead. */
  readonly #early = new Map<string, { channel: FollowerChannel; hello: Hello }>();
  #quarantined = 0;
  #toldEpoch = 0;

  /**
   * Listens for peers and for the SFTP node.
   * @throws HoldfastError
   */
  static async start(
    settings: ReplicatorSettings,
    log: Logger,
    send: (message: FromReplicator) => void,
  ): Promise<Replicator> {
    makeRoots(settings);
    const replicator = new Replicator(settings, log, send);
    await replicator.#listen();
    return replicator;
  }

  private constructor(settings: ReplicatorSettings, log: Logger, send: (message: FromReplicator) => void) {
    this.#settings = settings;
    this.#log = log;
    this.#send = send;
    this.#key = loadPeerKey(settings.stateRoot, settings.nodeId);
    this.#tls = tlsOptions(this.#key, settings.nodeId);
    this.#positions = new PositionStore(settings.stateRoot);
    this.#roots = new Roots(settings, log, bootTimeMs);
    this.#removals = new RemovalGate(settings.maxRemovalShare, log, () => this.#status.changed());
    this.#tree = new Tree(settings.filesRoot);
    this.#staging = new Staging(stagingRoot(settings.quarantineRoot));
    this.#config = new ConfigRoot({
      configRoot: settings.configRoot,
      stateRoot: settings.stateRoot,
      log,
      now: bootTimeMs,
      wallClock: wallTime,
      onChange: () => this.#onConfigChanged(),
    });
    this.#scrubs = new ScrubSchedule(settings.scrubSchedule, log, () => this.#leader?.scrub());
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

  handle(message: ToReplicator): void {
    switch (message.type) {
      case 'start':
        this.#log.warn('a second start was ignored');
        break;
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
      case 'accept-removal':
        this.#removals.accept(message.files);
        this.#follower?.compareAnew();
        break;
      case 'membership-result':
        this.#leader?.onMembershipResult(message.requestId, message.accepted, message.inSync);
        break;
      case 'hand-off':
        this.#handOff(message.target);
        break;
      case 'quarantine':
        void this.#quarantine
          .ask(message.request)
          .then((answer) => this.#send({ type: 'quarantine-answer', requestId: message.requestId, answer }));
        break;
      case 'scrub':
        this.#leader?.scrub();
        break;
    }
  }

  async #listen(): Promise<void> {
    const { listenAddress, listenPort, engineSocket } = this.#settings;
    this.#intake = await JournalIntake.listen(engineSocket, this.#log);
    this.#listener = await listenForPeers({
      address: listenAddress,
      port: listenPort,
      tls: this.#tls,
      log: this.#log,
      peers: () => this.#peers,
      onChannel: (nodeId, channel, hangUp) => this.#onPeerChannel(nodeId, channel, hangUp),
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
      this.#log.error({ err: error }, messageOf(error));
      if (!(error instanceof HoldfastError && error.code === 'EPOCH_STALE')) {
        const code = error instanceof HoldfastError ? error.code : 'REPLICATOR_FAILED';
        this.#send({ type: 'failed', code, message: messageOf(error) });
      }
    }
    this.#status.now();
  }

  /**
   * Leads and follows with the very roots that the supervisor judged: it may not know yet that this process found others.
   */
  #checkRoot(root: string): void {
    if (this.#roots.confirm(root)) return;
    this.#endRole();
    throw new HoldfastError(
      'ROOT_FOREIGN',
      `the roots of this host are not those of ${root}: nothing is done`,
    );
  }

  #lead({ epoch, inSync, root }: Extract<ToReplicator, { type: 'lead' }>): void {
    this.#checkRoot(root);
    if (this.#leader?.epoch === epoch) {
      this.#leader.onLeadRepeated(inSync);
      return;
    }
    this.#endRole();
    this.#config.refresh();
    if (!this.#config.mayLackHostKeys && ensureHostKeys(this.#config.path, this.#config.snapshot)) {
      this.#config.refresh();
    }
    this.#config.keepLastGood();
    this.#positions.advance({ epoch, sequence: 0 });
    const leader = new Leader({
      settings: this.#settings,
      epoch,
      inSync,
      tree: this.#tree,
      config: this.#config,
      log: this.#log,
      now: () => this.#loop.attendedMs(),
      peer: (nodeId) => this.#peers.get(nodeId),
      send: this.#send,
      onChanged: () => this.#status.changed(),
      onScrubbed: (result) => {
        this.#scrubs.onResult(result);
        this.#status.changed();
      },
    });
    this.#leader = leader;
    this.#log.info({ epoch, inSync }, 'leading: taking the journal and serving followers');
    // A file of the follower that this host was a moment ago may still be on its way into the tree.
    const begin = () => {
      if (this.#leader !== leader) return;
      this.#intake?.setConsumer(leader);
      for (const [nodeId, { channel, hello }] of this.#early) this.#serve(nodeId, channel, hello);
      this.#early.clear();
    };
    this.#followerEnded.then(begin, begin);
  }

  #follow({ epoch, leader, root }: Extract<ToReplicator, { type: 'follow' }>): void {
    if (root === null) this.#roots.distrust();
    else this.#checkRoot(root);
    if (this.#follower?.epoch === epoch && this.#follower.leader === leader) return;
    this.#endRole();
    const follower = new Follower({
      settings: this.#settings,
      epoch,
      leader,
      removals: this.#removals,
      isAdmitted: () => this.#roots.inForce,
      tree: this.#tree,
      applier: new Applier(this.#tree),
      staging: this.#staging,
      config: this.#config,
      positions: this.#positions,
      tls: this.#tls,
      now: () => this.#loop.attendedMs(),
      log: this.#log,
      wallClock: wallTime,
      peer: (nodeId) => this.#peers.get(nodeId),
      onQuarantined: () => {
        this.#quarantined += 1;
        this.#quarantine.onMoved();
        this.#status.changed();
      },
      onChanged: () => this.#status.changed(),
    });
    this.#follower = follower;
    this.#log.info({ epoch, leader }, 'following');
    const run = () => follower.run();
    this.#followerEnded = this.#followerEnded.then(run, run);
    // It handles whatever the world does to it: what comes out of it is a defect, and ends the process.
    this.#followerEnded.catch((error: unknown) => {
      throw error;
    });
  }

  #endRole(): void {
    this.#intake?.setConsumer(null);
    if (this.#leader !== null) {
      this.#positions.advance({ epoch: this.#leader.epoch, sequence: this.#leader.sequence });
      this.#leader.stop();
    }
    this.#leader = null;
    this.#follower?.stop();
    this.#follower = null;
    this.#removals.clear();
    this.#holdings.savePosition();
  }

  #onPeerChannel(nodeId: string, stream: Duplex, hangUp: () => void): void {
    const channel: FollowerChannel = new PeerChannel(stream, toLeaderSchema, () => this.#loop.attendedMs());
    channel.closed.addEventListener(
      'abort',
      () => {
        if (this.#early.get(nodeId)?.channel === channel) this.#early.delete(nodeId);
        hangUp();
      },
      { once: true },
    );
    channel.receive((message) => {
      if (message.type !== 'hello') throw new Error('hello comes first');
      if (this.#leader !== null) return this.#serve(nodeId, channel, message);
      this.#early.get(nodeId)?.channel.close('the follower connected anew');
      this.#early.set(nodeId, { channel, hello: message });
    });
  }

  #serve(nodeId: string, channel: FollowerChannel, hello: Hello): void {
    if (this.#leader === null) return;
    const refusal = checkHello(hello, nodeId, this.#settings.cluster, this.#leader.epoch);
    if (refusal === null) {
      this.#leader.attach(nodeId, channel, hello);
      return;
    }
    if (refusal.code === 'EPOCH_STALE') {
      this.#toldEpoch = Math.max(this.#toldEpoch, hello.highestEpoch);
      this.#status.now();
    }
    this.#log.warn({ peer: nodeId, code: refusal.code }, `refused a follower: ${refusal.message}`);
    channel.send({ type: 'refused', code: refusal.code, message: refusal.message });
    channel.close(refusal.message);
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
      if (this.#roots.inForce) this.#follower?.onAdmitted();
      this.#status.now();
    });
  }

  #readStatus(): Status {
    const leader = this.#leader;
    return {
      type: 'status',
      role: leader !== null ? 'leader' : this.#follower !== null ? 'follower' : 'idle',
      highestEpoch: this.#positions.highestEpoch,
      toldEpoch: this.#toldEpoch,
      resync: null,
      position:
        leader === null ? this.#positions.position : { epoch: leader.epoch, sequence: leader.sequence },
      caughtUp: this.#follower?.caughtUp ?? false,
      configDigest: this.#config.snapshot.digest,
      configProblems: this.#config.problems.slice(0, maxConfigProblems),
      hostKeyFingerprints: this.#config.fingerprints,
      peers: leader?.progress() ?? [],
      quarantined: this.#quarantined,
      quarantine: this.#quarantine.summary,
      roots: this.#roots.report,
      heldRemoval: this.#removals.pending,
      lastScrub: this.#scrubs.last,
    };
  }
}
