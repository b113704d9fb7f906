import { setTimeout as delay } from 'node:timers/promises';
import { codeOf, messageOf } from '#contracts/errors.ts';
import type { Peer } from '#contracts/ipc/replicator.ts';
import { toFollowerSchema } from '../protocol/message.ts';
import { PeerChannel } from '../protocol/peer-channel.ts';
import { dialPeer } from '../transport/dialer.ts';
import type { TlsOptions } from '../transport/tls.ts';
import { type FollowerOptions, type LeaderChannel, LeaderSession } from './leader-session.ts';

/** A new leader has clients to let in first: a handshake with each follower would take its time just then. */
const leaderSettlesMs = 100;
const firstPauseMs = 50;
const longestPauseMs = 1000;
/** While an operator is waited for: the leader may have its files back before he says anything. */
const heldPauseMs = 60_000;

export interface FollowingOptions extends FollowerOptions {
  readonly tls: TlsOptions;
  /** Attended time, ms. */
  readonly now: () => number;
  readonly peer: (nodeId: string) => Peer | undefined;
}

/** Follows one leader at one epoch: connects, serves the connection, connects again. */
export class Follower {
  readonly #options: FollowingOptions;
  readonly #stopping = new AbortController();
  #session: LeaderSession | null = null;
  #channel: LeaderChannel | null = null;
  #connectedTo: Peer | null = null;
  #skipPause: (() => void) | null = null;
  #problem = '';
  #comparesAnew = false;

  constructor(options: FollowingOptions) {
    this.#options = options;
  }

  get epoch(): number {
    return this.#options.epoch;
  }

  get leader(): string {
    return this.#options.leader;
  }

  get caughtUp(): boolean {
    return this.#session?.streaming ?? false;
  }

  /** Runs until `stop`; then nothing touches the tree any more. */
  async run(): Promise<void> {
    const { signal } = this.#stopping;
    let place: LeaderSession['place'] = null;
    let pauseMs = firstPauseMs;
    await this.#pause(leaderSettlesMs);
    while (!signal.aborted) {
      if (this.#comparesAnew) place = null;
      this.#comparesAnew = false;
      const session = await this.#connect(place);
      let waitsForOperator = false;
      if (session !== null) {
        this.#note(await session.run());
        place = session.place;
        waitsForOperator = !session.everStreamed && this.#options.removals.pending !== null;
        if (session.everStreamed && place !== null) pauseMs = firstPauseMs;
        this.#session = null;
        this.#options.onChanged();
      }
      if (this.#comparesAnew) continue;
      await this.#pause(waitsForOperator ? heldPauseMs : pauseMs);
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
    }
    this.#options.applier.closeAll();
  }

  stop(): void {
    this.#stopping.abort(new Error('this host does not follow that leader any more'));
    this.#channel?.close('this host does not follow that leader any more');
  }

  /** An operator has allowed what the last comparison did not do: it is made again. */
  compareAnew(): void {
    this.#comparesAnew = true;
    this.#channel?.close('an operator lets the comparison go on');
    this.#skipPause?.();
  }

  onAdmitted(): void {
    this.#session?.onAdmitted();
  }

  /** The peers changed: a key or an address that is not the leader's any more is not talked to any more. */
  onPeers(): void {
    const before = this.#connectedTo;
    if (before !== null && !this.#isStillThere(before)) {
      this.#channel?.close('the leader’s address or key has changed');
    }
    if (before === null) this.#skipPause?.();
  }

  #isStillThere({ publicKey, address }: Peer): boolean {
    const { leader, peer } = this.#options;
    const now = peer(leader);
    return now?.publicKey === publicKey && now.address === address;
  }

  /** This host's config root changed by itself: the leader's is what counts. */
  onConfigChanged(): void {
    this.#session?.onConfigChanged();
  }

  async #connect(place: LeaderSession['place']): Promise<LeaderSession | null> {
    const { leader, peer, tls, now } = this.#options;
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
      const channel: LeaderChannel = new PeerChannel(dialed.channel, toFollowerSchema, now);
      channel.closed.addEventListener('abort', () => this.#onClosed(dialed.hangUp), { once: true });
      this.#channel = channel;
      this.#connectedTo = target;
      this.#session = new LeaderSession(channel, this.#options, place);
      return this.#session;
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#note(messageOf(error), codeOf(error));
      return null;
    }
  }

  #onClosed(hangUp: () => void): void {
    this.#channel = null;
    this.#connectedTo = null;
    hangUp();
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
