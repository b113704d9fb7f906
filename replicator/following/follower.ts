import { setTimeout as delay } from 'node:timers/promises';
import { codeOf, messageOf } from '#contracts/errors.ts';
import type { Peer, ReplicatorSettings, Resync } from '#contracts/ipc/replicator.ts';
import type { Logger } from '#contracts/log.ts';
import type { ConfigRoot } from '../config/config-root.ts';
import type { StorageEngine } from '../engine/engine.ts';
import { FollowingSession } from '../peers/following-session.ts';
import { StreamChannel } from '../peers/stream-channel.ts';
import type { Quarantine } from '../quarantine/quarantine.ts';
import { dialPeer } from '../transport/dialer.ts';
import type { TlsOptions } from '../transport/tls.ts';
import { LeaderConfig } from './leader-config.ts';
import type { RemovalGate } from './removal-gate.ts';

/** A new leader has clients to let in first: a handshake with each follower would take its time just then. */
const leaderSettlesMs = 100;
const firstPauseMs = 50;
const longestPauseMs = 1000;
/** While an operator is waited for: the leader may have its files back before he says anything. */
const heldPauseMs = 60_000;

export interface FollowerOptions {
  readonly settings: ReplicatorSettings;
  readonly epoch: number;
  readonly leader: string;
  /** The highest epoch that this host has seen. */
  readonly highestEpoch: number;
  readonly removals: RemovalGate;
  readonly quarantine: Quarantine;
  readonly engine: StorageEngine;
  readonly config: ConfigRoot;
  readonly tls: TlsOptions;
  /** Whether what this host holds may be relied on: else the leader must not count on it. */
  readonly isAdmitted: () => boolean;
  readonly log: Logger;
  /** Attended time, ms. */
  readonly now: () => number;
  readonly peer: (nodeId: string) => Peer | undefined;
  readonly onQuarantined: () => void;
  readonly onChanged: () => void;
}

/** Follows one leader at one epoch: connects, serves the connection, connects again. */
export class Follower {
  readonly #options: FollowerOptions;
  readonly #stopping = new AbortController();
  readonly #config: LeaderConfig;
  #session: FollowingSession | null = null;
  #connectedTo: Peer | null = null;
  #skipPause: (() => void) | null = null;
  #problem = '';

  constructor(options: FollowerOptions) {
    this.#options = options;
    const { config, epoch, leader, settings, quarantine, log, onQuarantined } = options;
    const { quarantineRoot } = settings;
    this.#config = new LeaderConfig({
      ...{ config, epoch, leader, quarantineRoot, quarantine, log, onQuarantined },
      onApplied: () => this.#tellConfig(),
    });
  }

  /** Whether it holds everything that the leader has told it of, and receives what comes. */
  get caughtUp(): boolean {
    const { settings, engine } = this.#options;
    if (this.#session?.hasReachedLeader !== true) return false;
    return settings.mode === 'shared' || engine.store.isComplete;
  }

  /** null: nothing is in doubt. */
  get resync(): Resync | null {
    const { settings, engine } = this.#options;
    const doubted = settings.mode === 'shared' ? null : engine.store.replica.doubted;
    return doubted && { ...doubted, comparedBytes: engine.store.comparedBytes };
  }

  /** Runs until `stop`; then nothing touches the tree any more. */
  async run(): Promise<void> {
    const { signal } = this.#stopping;
    let pauseMs = firstPauseMs;
    await this.#pause(leaderSettlesMs);
    while (!signal.aborted) {
      const session = await this.#connect();
      if (session !== null) {
        const reason = await session.run();
        this.#note(messageOf(reason), codeOf(reason));
        if (session.wasJoined) pauseMs = firstPauseMs;
        this.#session = null;
        this.#options.onChanged();
        if (codeOf(reason) === 'HISTORY_DIFFERS' && !signal.aborted) await this.#distrustHistory();
      }
      const waitsForOperator = this.#options.removals.pending !== null;
      await this.#pause(waitsForOperator ? heldPauseMs : pauseMs);
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
    }
  }

  stop(): void {
    const over = new Error('this host does not follow that leader any more');
    this.#stopping.abort(over);
    this.#session?.close(over);
  }

  /** An operator lets the comparison that waits go on. */
  goOn(): void {
    this.#skipPause?.();
  }

  /** This host's roots have their identity: from now on the leader may count on it. */
  onAdmitted(): void {
    this.#tellConfig();
  }

  /** The peers changed: a key or an address that is not the leader's any more is not talked to any more. */
  onPeers(): void {
    const before = this.#connectedTo;
    if (before === null) this.#skipPause?.();
    else if (!this.#isStillThere(before))
      this.#session?.close(new Error('the leader’s address or key has changed'));
  }

  /** What was taken away here is asked for by a new session. */
  onFilesTakenAway(): void {
    this.#session?.close(new Error('files whose flush had failed were taken away, to be fetched anew'));
  }

  /** This host's config root changed by itself: the leader's is what counts. */
  onConfigChanged(): void {
    this.#config.onChangedHere();
  }

  #isStillThere({ publicKey, address }: Peer): boolean {
    const { leader, peer } = this.#options;
    const now = peer(leader);
    return now?.publicKey === publicKey && now.address === address;
  }

  async #connect(): Promise<FollowingSession | null> {
    const { leader, peer, tls } = this.#options;
    const target = peer(leader);
    if (target === undefined) {
      this.#note(`${leader} is not among the peers`);
      return null;
    }
    try {
      const dialed = await dialPeer(target, tls, this.#stopping.signal);
      if (!this.#isStillThere(target)) {
        dialed.hangUp();
        this.#note(`the address or key of ${leader} changed while it was called`);
        return null;
      }
      const channel = new StreamChannel(dialed.channel, this.#options.now, dialed.incoming);
      channel.closed.addEventListener('abort', () => this.#onClosed(dialed.hangUp), { once: true });
      this.#connectedTo = target;
      this.#session = this.#begin(channel);
      return this.#session;
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#note(messageOf(error), codeOf(error));
      return null;
    }
  }

  #begin(channel: StreamChannel): FollowingSession {
    const { settings, leader, epoch, highestEpoch, engine, log, onChanged } = this.#options;
    return new FollowingSession(channel, {
      port: engine.follow(),
      cluster: settings.cluster,
      nodeId: settings.nodeId,
      leader,
      epoch,
      highestEpoch,
      onConfig: ({ digest, files }) => this.#config.receive({ digest, files }),
      onChanged: (session) => {
        if (session.isJoined) {
          this.#problem = '';
          log.info({ epoch, leader }, 'following: the leader’s records come');
        }
        this.#tellConfig();
        onChanged();
      },
    });
  }

  #onClosed(hangUp: () => void): void {
    this.#connectedTo = null;
    hangUp();
  }

  /** By this the leader takes the host into the in-sync set, which must not be before its roots say what they hold. */
  #tellConfig(): void {
    const { applied } = this.#config;
    if (applied === null || !this.#options.isAdmitted()) return;
    if (this.#session?.isJoined === true) this.#session.tellConfigApplied(applied);
  }

  /** One of the two logs is not what was written to it: what this host has is compared with what the leader has. */
  async #distrustHistory(): Promise<void> {
    const { engine, leader, log } = this.#options;
    const what = `the log of this host and that of ${leader} differ where they should be the same: everything is compared`;
    log.error({ code: 'HISTORY_DIFFERS', leader }, what);
    await engine.distrust();
  }

  async #pause(ms: number): Promise<void> {
    const skip = new AbortController();
    this.#skipPause = () => skip.abort();
    const signal = AbortSignal.any([skip.signal, this.#stopping.signal]);
    await delay(ms, undefined, { signal }).catch(() => {});
    this.#skipPause = null;
  }

  /** The same reason again and again is one line in the log. */
  #note(problem: string, code?: string): void {
    const { log, leader } = this.#options;
    if (problem === this.#problem) return;
    this.#problem = problem;
    log.info({ leader, reason: problem, ...(code !== undefined && { code }) }, 'not connected to the leader');
  }
}
