import type { Duplex } from 'node:stream';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import type { FromReplicator, Peer, PeerProgress, ReplicatorSettings } from '#contracts/ipc/replicator.ts';
import { afterFullPoll, deadline } from '#contracts/lateness.ts';
import type { Logger } from '#contracts/log.ts';
import type { ConfigRoot } from '../config/config-root.ts';
import type { Followers } from '../engine/client-work.ts';
import type { Leading } from '../engine/leading.ts';
import { defaultReads } from '../peers/content-reads.ts';
import { LiveStream } from '../peers/live-stream.ts';
import type { Flushed } from '../peers/ports.ts';
import { ServingSession } from '../peers/serving-session.ts';
import { StreamChannel } from '../peers/stream-channel.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { AtRisk, type Standing } from './at-risk.ts';
import { Awaited } from './awaited.ts';
import { Membership } from './membership.ts';

/** What followers are sent from; what has left it is sent from the log, without data. */
const windowBytes = 16 * 1024 * 1024;
/** On their way to a member: what a small CLOSE waits behind, at most. */
const creditBytes = 2 * 1024 * 1024;
/** A follower that lacks more is not taken into the in-sync set: everybody would wait for it. */
const joinsWithinBytes = creditBytes;
const tickMs = 50;
/** How often followers are asked to flush when nobody waits for it. */
const flushEveryMs = 500;
/** How often the list of files at risk is read on. */
const riskEveryMs = 2000;
/** How long changes that were made wait for a member while there is none. */
const refusalPatienceMs = 2000;
const noStandby = 'no standby is in sync, and `strict` is set';

export interface LeaderOptions {
  readonly settings: ReplicatorSettings;
  readonly leading: Leading;
  readonly inSync: readonly string[];
  readonly config: ConfigRoot;
  readonly log: Logger;
  /** Attended time: a follower is not late while this process is. */
  readonly now: () => number;
  readonly peers: () => ReadonlyMap<string, Peer>;
  readonly send: (message: FromReplicator) => void;
  /** Something that the status shows has changed. */
  readonly onChanged: () => void;
  readonly onHigherEpoch: (epoch: number) => void;
  /** Why changes are refused; null: they are not. */
  readonly onRefusal: (reason: string | null) => void;
  /** Clients may go on that were held since a member lacked too much. */
  readonly onRoom: () => void;
}

/** One leadership towards the other hosts: who follows, who is in sync, and which changes are on their disks. */
export class Leader implements Followers {
  readonly epoch: number;
  readonly #options: LeaderOptions;
  readonly #stream: LiveStream;
  readonly #acknowledgements: Acknowledgements;
  readonly #awaited = new Awaited();
  readonly #membership: Membership;
  readonly atRisk: AtRisk;
  readonly #sessions = new Map<string, ServingSession>();
  readonly #fallenBack = new Set<string>();
  readonly #flushWaiters = new Set<() => void>();
  readonly #ticking: NodeJS.Timeout;
  #flushAskedAtMs = 0;
  #riskLookedAtMs = 0;
  #cancelReview: (() => void) | null = null;
  #cancelRefusal: (() => void) | null = null;

  constructor(options: LeaderOptions) {
    const { settings, leading, inSync, send, onRoom } = options;
    this.#options = options;
    this.epoch = leading.epoch;
    const awaitsMember = () =>
      this.#acknowledgements.counted.some((nodeId) => this.#sessions.get(nodeId)?.isJoined !== true);
    this.#stream = new LiveStream(leading, windowBytes, onRoom, creditBytes, awaitsMember);
    this.#acknowledgements = new Acknowledgements(
      { self: settings.nodeId, waits: settings.mode === 'sync', strict: settings.strict },
      inSync,
      this.#replicatesFiles ? leading.position.sequence : 0,
    );
    this.#membership = new Membership(this.epoch, this.#acknowledgements, send, (nodeId, waitedMs) =>
      this.#onLateCandidate(nodeId, waitedMs),
    );
    const hadAll = settings.mode === 'sync' ? inSync : [];
    this.atRisk = new AtRisk(leading, hadAll, () => this.#standings());
    this.#ticking = setInterval(() => this.#tick(), tickMs);
    this.#advanced();
  }

  /** Whether clients are to be held back: a member lacks too much. */
  get isFull(): boolean {
    return this.#stream.isFull;
  }

  get keepsData(): boolean {
    return this.#stream.keepsData;
  }

  get #replicatesFiles(): boolean {
    return this.#options.settings.mode !== 'shared';
  }

  /**
   * Resolves when the batch that ends here, which was ordered last, is on the disks of all who count (G3).
   * @throws Error when that will never be known: the leadership is over, or refuses changes
   */
  durable(sequence: number): Promise<void> {
    const { now, settings } = this.#options;
    if (settings.mode !== 'sync') return Promise.resolve();
    this.#acknowledgements.received(sequence, now());
    if (this.#acknowledgements.isDurable(sequence)) return Promise.resolve();
    for (const nodeId of this.#acknowledgements.counted) this.#sessions.get(nodeId)?.barrier(sequence);
    return this.#awaited.until(sequence);
  }

  /**
   * `lead` was repeated. `inSync` is the set as etcd has it now, from which a host may have taken itself out. A joiner
   * that this leader has asked for counts until that is answered.
   */
  onLeadRepeated(inSync: readonly string[]): void {
    this.#acknowledgements.setMembers(inSync);
    this.#advanced();
  }

  onMembershipResult(requestId: number, accepted: boolean, inSync: readonly string[]): void {
    this.#membership.onResult(requestId, accepted, inSync);
    for (const nodeId of this.#fallenBack) {
      if (!this.#acknowledgements.isRecorded(nodeId)) this.#fallenBack.delete(nodeId);
    }
    this.#advanced();
    this.#options.onChanged();
  }

  onConfigChanged(): void {
    for (const session of this.#sessions.values()) session.sendConfig(this.#config);
  }

  /** A peer has connected: it may be served. */
  attach(nodeId: string, stream: Duplex, hangUp: () => void): void {
    const { settings, leading, now, onHigherEpoch } = this.#options;
    this.#sessions.get(nodeId)?.close(new Error('the follower connected anew'));
    const channel = new StreamChannel(stream, now);
    const session: ServingSession = new ServingSession(channel, {
      nodeId,
      cluster: settings.cluster,
      port: leading,
      stream: this.#stream,
      replicatesFiles: this.#replicatesFiles,
      reads: { ...defaultReads, bytesPerSecond: settings.resyncBytesPerSecond },
      now,
      onJoined: (from, end, isAnew) => this.#onJoined(from, end, isAnew),
      onReceived: () => this.#options.onChanged(),
      onFlushed: (from, flushed) => this.#onFlushed(from, flushed),
      onPassed: ({ nodeId: from }, sequence) => {
        this.#acknowledgements.acknowledgeOne(from, sequence, now());
        this.#advanced();
      },
      onChanged: (from) => this.#onSessionChanged(from),
      onHigherEpoch,
    });
    this.#sessions.set(nodeId, session);
    session.closed.addEventListener('abort', () => this.#detach(session, hangUp), { once: true });
    session.sendConfig(this.#config);
  }

  progress(): PeerProgress[] {
    const connected = [...this.#sessions.values()]
      .filter((session) => session.isServed)
      .map((session) => this.#progressOf(session));
    const away = this.#acknowledgements.members
      .filter((nodeId) => !this.#sessions.has(nodeId))
      .map((nodeId) => this.#awayProgress(nodeId));
    return [...connected, ...away];
  }

  /** Resolves when everything that was ordered is on the target's disk. @throws Error that says why not */
  async handOff(target: string, limitMs: number): Promise<void> {
    const session = this.#sessions.get(target);
    if (session === undefined) throw new Error(`${target} is not connected`);
    if (!this.#mayBeReliedOn(session)) throw new Error(`${target} has not caught up`);
    if (!this.#replicatesFiles) return;
    const { sequence } = this.#options.leading.position;
    session.flush(sequence);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = () => {
      if (completeUpTo(session) >= sequence) resolve();
      else if (session.closed.aborted) reject(new Error(`${target} went away: ${session.closed.reason}`));
    };
    const cancel = deadline(limitMs, () =>
      reject(new Error(`${target} did not flush the last changes within ${limitMs} ms`)),
    );
    this.#flushWaiters.add(look);
    look();
    try {
      await promise;
    } finally {
      cancel();
      this.#flushWaiters.delete(look);
    }
  }

  stop(): void {
    clearInterval(this.#ticking);
    this.#cancelReview?.();
    this.#cancelRefusal?.();
    const over = new HoldfastError('LEADERSHIP_LOST', 'this host does not lead any more');
    for (const session of this.#sessions.values()) session.close(over);
    this.#awaited.fail(over);
    this.#stream.close();
  }

  get #config() {
    const { digest, files } = this.#options.config.snapshot;
    return { digest, files: [...files] };
  }

  /** @param end of what its log has of this leadership's history @param isAnew it is compared with everything here */
  #onJoined({ nodeId }: ServingSession, end: number, isAnew: boolean): void {
    // F4: it acknowledged more than its log has now.
    const wentBack = end < this.#acknowledgements.acknowledgedBy(nodeId);
    const leaves = (wentBack || isAnew) && this.#acknowledgements.isRecorded(nodeId);
    if (wentBack || leaves) {
      this.#options.log.error(
        { code: 'STANDBY_WENT_BACK', peer: nodeId, sequence: end },
        `${nodeId} came back without what it had acknowledged${leaves ? ': it leaves the in-sync set' : ''}`,
      );
      this.#acknowledgements.forget(nodeId);
      this.atRisk.forget(nodeId);
      if (leaves) this.#fallenBack.add(nodeId);
    }
    this.atRisk.joined(nodeId, end);
    this.#options.onChanged();
  }

  #onFlushed(session: ServingSession, { position, complete }: Flushed): void {
    if (complete) {
      this.#acknowledgements.acknowledge(session.nodeId, position.sequence, this.#options.now());
      this.#advanced();
    }
    for (const look of [...this.#flushWaiters]) look();
    this.#options.onChanged();
  }

  #onSessionChanged(session: ServingSession): void {
    session.setMember(this.#acknowledgements.counted.includes(session.nodeId));
    this.#options.onChanged();
  }

  #detach(session: ServingSession, hangUp: () => void): void {
    hangUp();
    for (const look of [...this.#flushWaiters]) look();
    if (this.#sessions.get(session.nodeId) !== session) return;
    this.#sessions.delete(session.nodeId);
    const { reason } = session.closed;
    const code = reason instanceof HoldfastError ? { code: reason.code } : {};
    this.#options.log.info(
      { peer: session.nodeId, reason: messageOf(reason), ...code },
      'a follower is away',
    );
    this.#options.onChanged();
  }

  #tick(): void {
    const atMs = this.#options.now();
    if (atMs - this.#flushAskedAtMs >= flushEveryMs) this.#askForFlushes(atMs);
    if (atMs - this.#riskLookedAtMs >= riskEveryMs) this.#lookAtRisk(atMs);
    // After all that came has been read: the acknowledgement of who seems late may lie here.
    this.#cancelReview ??= afterFullPoll(() => {
      this.#cancelReview = null;
      this.#review();
    });
  }

  /** So that what is known of each follower is not old, also in `async` mode. */
  #askForFlushes(atMs: number): void {
    if (!this.#replicatesFiles) return;
    this.#flushAskedAtMs = atMs;
    const { sequence } = this.#options.leading.position;
    for (const session of this.#sessions.values()) {
      if (session.isJoined && completeUpTo(session) < sequence) session.flush(sequence);
    }
  }

  #lookAtRisk(atMs: number): void {
    this.#riskLookedAtMs = atMs;
    void this.atRisk.look().then(() => this.#options.onChanged());
  }

  #standings(): Standing[] {
    const { settings, peers } = this.#options;
    if (!this.#replicatesFiles) return [];
    const { members } = this.#acknowledgements;
    return [...peers().keys()].map((nodeId) => ({
      nodeId,
      hasAll: settings.mode === 'sync' && members.includes(nodeId) && !this.#fallenBack.has(nodeId),
      flushed: this.#acknowledgements.flushedBy(nodeId),
    }));
  }

  #review(): void {
    const { now, settings, peers } = this.#options;
    this.#membership.review({
      atMs: now(),
      syncTimeoutMs: settings.syncTimeoutMs,
      isAlive: (nodeId) => peers().get(nodeId)?.alive ?? false,
      caughtUp: [...this.#sessions.values()]
        .filter((session) => this.#mayBeReliedOn(session))
        .map(({ nodeId }) => nodeId),
      isClose: (nodeId) => this.#isClose(nodeId),
      fallenBack: [...this.#fallenBack],
    });
    this.#advanced();
  }

  #onLateCandidate(peer: string, ms: number): void {
    const waitedMs = Math.round(ms);
    this.#options.log.warn(
      { peer, waitedMs },
      `${peer} has flushed nothing for ${waitedMs} ms while changes waited for it: it joins the in-sync set only after it has flushed more`,
    );
    this.#options.onChanged();
  }

  #isClose(nodeId: string): boolean {
    const session = this.#sessions.get(nodeId);
    return session !== undefined && (!this.#replicatesFiles || session.lagBytes <= joinsWithinBytes);
  }

  /** Whether it has everything up to some position of this leadership, the configuration too. */
  #mayBeReliedOn(session: ServingSession): boolean {
    return this.#isStreaming(session) && session.appliedConfig === this.#options.config.snapshot.digest;
  }

  #isStreaming(session: ServingSession): boolean {
    if (!session.isJoined) return false;
    return !this.#replicatesFiles || session.flushed?.complete === true;
  }

  /** Who counts, or what they have, is other than before. */
  #advanced(): void {
    const { counted, refuses } = this.#acknowledgements;
    for (const session of this.#sessions.values()) {
      const counts = counted.includes(session.nodeId);
      if (session.isMember === counts) continue;
      session.setMember(counts);
      // What was ordered before it counted has no barriers of its own.
      if (counts && this.#replicatesFiles) session.flush(this.#options.leading.position.sequence);
    }
    this.#awaited.settle(this.#acknowledgements.durability());
    this.#options.onRefusal(refuses ? noStandby : null);
    if (!refuses) {
      this.#cancelRefusal?.();
      this.#cancelRefusal = null;
    } else this.#cancelRefusal ??= deadline(refusalPatienceMs, () => this.#refuseAwaited());
  }

  #refuseAwaited(): void {
    this.#cancelRefusal = null;
    if (!this.#acknowledgements.refuses) return;
    this.#awaited.fail(new Error(noStandby));
  }

  #progressOf(session: ServingSession): PeerProgress {
    const { position } = this.#options.leading;
    const acknowledged = session.flushed?.position ?? { epoch: this.epoch, sequence: 0 };
    const { isJoined, nodeId, lagBytes } = session;
    const lags = isJoined && this.#replicatesFiles;
    return {
      nodeId,
      state: this.#isStreaming(session) && !this.#membership.isLate(nodeId) ? 'streaming' : 'catching-up',
      acknowledged,
      lagOperations: lags ? Math.max(0, position.sequence - acknowledged.sequence) : 0,
      lagBytes: lags ? lagBytes : 0,
    };
  }

  #awayProgress(nodeId: string): PeerProgress {
    const sequence = this.#acknowledgements.acknowledgedBy(nodeId);
    const { position } = this.#options.leading;
    return {
      nodeId,
      state: 'away',
      acknowledged: { epoch: this.epoch, sequence },
      lagOperations: Math.max(0, position.sequence - sequence),
      lagBytes: this.#stream.window.lackingBytes(sequence),
    };
  }
}

/** Everything up to here is on its disk, and it lacks nothing; 0 when nothing is known. */
function completeUpTo({ flushed }: ServingSession): number {
  return flushed?.complete === true ? flushed.position.sequence : 0;
}
