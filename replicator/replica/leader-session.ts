import { join } from 'node:path';
import { hostKeyFolder } from '#contracts/config-root/names.ts';
import { codeOf, HoldfastError, messageOf } from '#contracts/errors.ts';
import type { Position } from '#contracts/identities.ts';
import type { ReplicatorSettings } from '#contracts/ipc/replicator.ts';
import type { Logger } from '#contracts/log.ts';
import { appliedDigest, keptOf } from '../config/apply.ts';
import type { ConfigRoot } from '../config/config-root.ts';
import type { ConfigSnapshot } from '../config/snapshot.ts';
import type { DataFrame, OperationFrame } from '../protocol/codec.ts';
import type { ToFollower, ToLeader, toFollowerSchema } from '../protocol/message.ts';
import type { PeerChannel } from '../protocol/peer-channel.ts';
import { Quarantine } from '../quarantine/quarantine.ts';
import type { PositionStore } from '../state/position-store.ts';
import type { Tree } from '../tree/tree.ts';
import type { Applier } from './apply.ts';
import { CatchUp } from './catch-up.ts';
import { FileClient } from './file-client.ts';
import { OperationQueue } from './operation-queue.ts';
import type { RemovalGate } from './removal-gate.ts';
import { Scrub } from './scrub.ts';
import type { Staging } from './staging.ts';
import { syncFileSystem } from './sync-file-system.ts';
import { TreeChange } from './tree-change.ts';

export type LeaderChannel = PeerChannel<typeof toFollowerSchema, ToLeader>;

/** Where a follower stands in a stream, across connections of one process. */
export interface StreamPlace {
  readonly stream: string;
  readonly sequence: number;
}

export interface FollowerOptions {
  readonly settings: ReplicatorSettings;
  readonly epoch: number;
  readonly leader: string;
  readonly tree: Tree;
  readonly applier: Applier;
  readonly staging: Staging;
  readonly config: ConfigRoot;
  readonly positions: PositionStore;
  readonly removals: RemovalGate;
  /** Whether what this host holds may be relied on; else all of it is compared by content, and it is not in sync. */
  readonly isAdmitted: () => boolean;
  readonly log: Logger;
  readonly wallClock: () => Date;
  readonly onQuarantined: () => void;
  readonly onChanged: () => void;
}

/** One connection to the leader, from hello until the channel closes. */
export class LeaderSession {
  readonly #channel: LeaderChannel;
  readonly #options: FollowerOptions;
  readonly #files: FileClient;
  readonly #quarantine: Quarantine;
  #place: StreamPlace | null;
  #stream = '';
  #queue: OperationQueue | null = null;
  #catchUp: CatchUp | null = null;
  #work: Promise<unknown> = Promise.resolve();
  #onRepair: ((paths: ReadonlySet<string>) => void) | null = null;
  #everStreamed = false;
  #leaderConfig: ConfigSnapshot | null = null;
  #applyingConfig = false;
  /** The digest of the configuration as it is here after the leader's was applied. */
  #appliedConfig: string | null = null;

  constructor(channel: LeaderChannel, options: FollowerOptions, place: StreamPlace | null) {
    this.#channel = channel;
    this.#options = options;
    this.#place = place;
    this.#files = new FileClient((message) => this.#send(message), channel.closed);
    const { settings, epoch, leader, log, wallClock, onQuarantined } = options;
    const root = settings.quarantineRoot;
    this.#quarantine = new Quarantine({ root, epoch, leader, wallClock, log, onMoved: onQuarantined });
  }

  /** Resolves, with the reason, when the connection is over and nothing of it touches the tree any more. */
  async run(): Promise<string> {
    const { settings, positions } = this.#options;
    const { closed } = this.#channel;
    this.#channel.receive((message) => this.#receive(message));
    this.#send({
      type: 'hello',
      cluster: settings.cluster,
      nodeId: settings.nodeId,
      highestEpoch: positions.highestEpoch,
      position: positions.position,
      resume: this.#place,
    });
    if (!closed.aborted) {
      await new Promise<void>((resolve) => closed.addEventListener('abort', () => resolve(), { once: true }));
    }
    await this.#queue?.stop();
    this.#catchUp?.stop(closed.reason);
    await this.#work;
    return messageOf(closed.reason);
  }

  get streaming(): boolean {
    return this.#queue !== null && !this.#channel.closed.aborted;
  }

  /** Whether this connection came so far that the next one may be tried at once. */
  get everStreamed(): boolean {
    return this.#everStreamed;
  }

  /** Where the next connection goes on; null when only a catch-up helps. */
  get place(): StreamPlace | null {
    return this.#place;
  }

  #receive(message: ToFollower | OperationFrame | DataFrame): void {
    // Operations have theirs checked where they are applied.
    if ('epoch' in message && message.type !== 'operation') this.#checkEpoch(message.epoch);
    switch (message.type) {
      case 'welcome':
        this.#onWelcome(message);
        break;
      case 'refused':
        throw new HoldfastError('PEER_REFUSED', `the leader refused: ${message.code}: ${message.message}`);
      case 'config':
        this.#onConfig(message);
        break;
      case 'operation':
        this.#queue?.push(message);
        break;
      case 'flush':
        this.#queue?.push({ type: 'flush', sequence: message.sequence });
        break;
      case 'round':
        this.#catchUp?.onRound(message);
        break;
      case 'stream':
        this.#endCatchUp();
        this.#beginStreaming(message.sequence);
        break;
      case 'restart':
        this.#stream = message.stream;
        this.#beginCatchUp();
        break;
      case 'listing':
      case 'digest-result':
      case 'file':
      case 'file-end':
      case 'data':
        this.#files.onAnswer(message);
        break;
      case 'scrub':
        this.#scrub();
        break;
      case 'scrub-repair':
        this.#onRepair?.(new Set(message.paths));
        break;
    }
  }

  #onWelcome(welcome: Extract<ToFollower, { type: 'welcome' }>): void {
    this.#stream = welcome.stream;
    if (welcome.resumed && this.#place !== null) this.#beginStreaming(this.#place.sequence);
    else if (welcome.replicatesFiles) this.#beginCatchUp();
    else this.#beginStreaming(0);
  }

  /** Somebody edited a file on this host: what the leader sent last is put back. */
  onConfigChanged(): void {
    if (this.#leaderConfig === null || this.#applyingConfig) return;
    if (this.#options.config.consistsOf(this.#leaderConfig)) return;
    try {
      this.#applyConfig(this.#leaderConfig);
    } catch (error) {
      const { log } = this.#options;
      log.error(
        { code: codeOf(error), reason: messageOf(error) },
        'the leader’s configuration was not put back',
      );
    }
  }

  #onConfig({ digest, files }: Extract<ToFollower, { type: 'config' }>): void {
    this.#leaderConfig = { digest, files };
    this.#applyConfig(this.#leaderConfig);
  }

  #applyConfig({ digest, files }: ConfigSnapshot): void {
    const { epoch, leader, config, settings, log, onQuarantined } = this.#options;
    const keysFolder = `${epoch}-host-keys-${config.snapshot.digest.slice(0, 12)}`;
    const keepIn = join(settings.quarantineRoot, keysFolder);
    this.#applyingConfig = true;
    try {
      for (const path of config.adopt({ digest, files }, leader, keepIn)) {
        this.#quarantine.recordHostKeys(keysFolder, Buffer.from(hostKeyFolder));
        log.warn({ path, keptIn: keepIn }, 'a host key of this host was replaced by the leader’s');
        onQuarantined();
      }
    } finally {
      this.#applyingConfig = false;
    }
    const kept = keptOf(config.snapshot, { digest, files });
    if (kept.length > 0) {
      log.warn(
        { code: 'CONFIG_KEPT', paths: kept },
        'kept, although the leader lacks it: was it lost there?',
      );
    }
    this.#appliedConfig = appliedDigest(config.snapshot, { digest, files });
    this.#tellConfig();
  }

  /** This host's roots have their identity: from now on the leader may count on it. */
  onAdmitted(): void {
    this.#tellConfig();
  }

  /** By this the leader takes the host into the in-sync set, which must not be before its roots say what they hold. */
  #tellConfig(): void {
    if (this.#appliedConfig === null || !this.#options.isAdmitted()) return;
    this.#send({ type: 'config-applied', digest: this.#appliedConfig });
  }

  #beginCatchUp(): void {
    const { applier, epoch, log } = this.#options;
    const before = this.#queue;
    const older = this.#catchUp;
    this.#queue = null;
    this.#place = null;
    older?.stop(new Error('a new catch-up begins'));
    log.info({ epoch }, 'catching up');
    const { tree, staging, removals, leader, isAdmitted } = this.#options;
    const change = new TreeChange(tree, staging, this.#quarantine);
    const catchUp = new CatchUp({
      tree,
      staging,
      change,
      applier,
      client: this.#files,
      removals,
      leader,
      firstProof: isAdmitted() ? 'metadata' : 'content',
      syncFileSystem,
      next: () => this.#send({ type: 'next-round', stream: this.#stream }),
      closed: this.#channel.closed,
    });
    this.#catchUp = catchUp;
    this.#work = this.#work
      .then(() => before?.stop())
      .then(() => applier.closeAll())
      .then(() => catchUp.run())
      .catch((error: unknown) => {
        if (catchUp === this.#catchUp || catchUp.isFinished)
          this.#channel.close(`the catch-up was broken off: ${messageOf(error)}`);
      });
    this.#options.onChanged();
  }

  #endCatchUp(): void {
    const catchUp = this.#catchUp;
    this.#catchUp = null;
    catchUp?.finish();
    catchUp?.stop(new Error('the catch-up is complete'));
  }

  #beginStreaming(sequence: number): void {
    const { applier, epoch, log } = this.#options;
    const place = { stream: this.#stream, sequence };
    this.#place = place;
    this.#queue = new OperationQueue(applier, epoch, sequence, {
      onApplied: (applied) => this.#acknowledge(place.stream, applied),
      onFlushed: (flushed) => this.#send({ type: 'flushed', sequence: flushed }),
      onFailed: (error) => this.#diverged(error),
      pause: () => this.#channel.pause(),
      resume: () => this.#channel.resume(),
    });
    this.#everStreamed = true;
    this.#advance({ epoch, sequence });
    log.info({ epoch, sequence }, 'caught up: receiving the live stream');
    this.#options.onChanged();
  }

  #acknowledge(stream: string, sequence: number): void {
    const { epoch } = this.#options;
    if (this.#stream !== stream) return;
    this.#place = { stream, sequence };
    this.#advance({ epoch, sequence });
    this.#send({ type: 'acknowledge', epoch, stream, sequence });
  }

  #advance(position: Position): void {
    this.#options.positions.advance(position);
    this.#options.onChanged();
  }

  #diverged(error: unknown): void {
    const { log } = this.#options;
    log.warn({ reason: messageOf(error) }, 'this host’s tree is not what the leader thinks: catching up');
    this.#place = null;
    this.#channel.close(messageOf(error));
  }

  #scrub(): void {
    const { tree, staging, removals, leader, log } = this.#options;
    const change = new TreeChange(tree, staging, this.#quarantine);
    const scrub = new Scrub({
      tree,
      staging,
      change,
      removals,
      leader,
      log,
      client: this.#files,
      signal: this.#channel.closed,
      ask: (paths) => this.#askForRepair(paths),
      done: () => this.#send({ type: 'scrub-repaired' }),
    });
    const running = scrub.run().then(
      (result) => this.#send({ type: 'scrub-result', ...result }),
      (error: unknown) => this.#channel.close(`the scrub failed: ${messageOf(error)}`),
    );
    this.#work = this.#work.then(() => running);
  }

  async #askForRepair(paths: string[]): Promise<ReadonlySet<string>> {
    const { closed } = this.#channel;
    return await new Promise((resolve, reject) => {
      closed.addEventListener('abort', () => reject(closed.reason), { once: true });
      this.#onRepair = resolve;
      this.#send({ type: 'scrub-suspects', paths });
    });
  }

  #checkEpoch(epoch: number): void {
    if (epoch === this.#options.epoch) return;
    throw new HoldfastError(
      'EPOCH_STALE',
      `the leader speaks of epoch ${epoch}, this is ${this.#options.epoch}`,
    );
  }

  #send(message: ToLeader): void {
    this.#channel.send(message);
  }
}
