import { randomUUID } from 'node:crypto';
import type { FromReplicator, Peer, PeerProgress, ReplicatorSettings } from '#contracts/ipc/replicator.ts';
import type { ToJournal } from '#contracts/journal/message.ts';
import { afterFullPoll } from '#contracts/lateness.ts';
import type { Logger } from '#contracts/log.ts';
import type { ConfigRoot } from '../config/config-root.ts';
import type { Tree } from '../tree/tree.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { FollowerSession } from './follower-session.ts';
import { HandlePaths } from './handle-paths.ts';
import type { JournalConsumer, JournalHello, NodeConnection } from './journal-intake.ts';
import type { FollowerChannel, Hello, Leadership } from './leadership.ts';
import { Membership } from './membership.ts';
import { OperationWindow } from './operation-window.ts';
import { TreeHold } from './tree-hold.ts';

const windowBytes = 64 * 1024 * 1024;
const tickMs = 50;
const learnHandlesMs = 2000;

export interface LeaderDependencies {
  readonly settings: ReplicatorSettings;
  readonly epoch: number;
  readonly inSync: readonly string[];
  readonly tree: Tree;
  readonly config: ConfigRoot;
  readonly log: Logger;
  /** Attended time: a follower is not late while this process is. */
  readonly now: () => number;
  readonly peer: (nodeId: string) => Peer | undefined;
  readonly send: (message: FromReplicator) => void;
  /** Something that the status shows has changed. */
  readonly onChanged: () => void;
  readonly onScrubbed: (result: { differences: number; repaired: number }) => void;
}

/** One leadership: takes the SFTP node's journal and passes it on to whoever follows. */
export class Leader implements JournalConsumer, Leadership {
  readonly #dependencies: LeaderDependencies;
  readonly #acknowledgements: Acknowledgements;
  readonly #membership: Membership;
  readonly #sessions = new Map<string, FollowerSession>();
  readonly #ticking: NodeJS.Timeout;
  #cancelReview: (() => void) | null = null;
  readonly handles = new HandlePaths();
  readonly hold: TreeHold;
  #window = new OperationWindow(windowBytes);
  #stream = randomUUID();
  #node: NodeConnection | null = null;
  #nodePaused = false;
  #durableSent = 0;
  #refusal = '';
  #handedOff = false;

  constructor(dependencies: LeaderDependencies) {
    const { settings, inSync } = dependencies;
    this.#dependencies = dependencies;
    this.#acknowledgements = new Acknowledgements(
      { self: settings.nodeId, waits: settings.mode === 'sync', strict: settings.strict },
      inSync,
    );
    this.#membership = new Membership(dependencies.epoch, this.#acknowledgements, dependencies.send);
    this.hold = new TreeHold(
      () => this.#holdableNode(),
      () => this.#window.last,
    );
    this.#ticking = setInterval(() => this.#reviewSoon(), tickMs);
  }

  get epoch(): number {
    return this.#dependencies.epoch;
  }
  get stream(): string {
    return this.#stream;
  }
  get window(): OperationWindow {
    return this.#window;
  }
  get tree(): Tree {
    return this.#dependencies.tree;
  }
  get config() {
    return this.#dependencies.config.snapshot;
  }
  get log(): Logger {
    return this.#dependencies.log;
  }
  get replicatesFiles(): boolean {
    return this.#dependencies.settings.mode !== 'shared';
  }
  get syncTimeoutMs(): number {
    return this.#dependencies.settings.syncTimeoutMs;
  }
  get sequence(): number {
    return this.#window.last;
  }

  now(): number {
    return this.#dependencies.now();
  }

  /**
   * `lead` was repeated: this host goes on leading, also after a hand-off that was called off. `inSync` is the set as
   * etcd has it now, from which a host may have taken itself out. A joiner that this leader has asked for counts until
   * that is answered. A set without this host was lost in etcd, not changed: then nobody stops counting.
   */
  onLeadRepeated(inSync: readonly string[]): void {
    this.#handedOff = false;
    if (inSync.includes(this.#dependencies.settings.nodeId)) this.#acknowledgements.setMembers(inSync);
    else this.#acknowledgements.addMembers(inSync);
    this.#answerNode();
  }

  onMembershipResult(requestId: number, accepted: boolean, inSync: readonly string[]): void {
    this.#membership.onResult(requestId, accepted, inSync);
    this.#answerNode();
    this.onChanged();
  }

  onConfigChanged(): void {
    for (const session of this.#sessions.values()) session.sendConfig();
  }

  /** A follower said hello and may be served. */
  attach(nodeId: string, channel: FollowerChannel, hello: Hello): void {
    this.#sessions.get(nodeId)?.close('the follower connected anew');
    const session = new FollowerSession(nodeId, channel, this);
    this.#sessions.set(nodeId, session);
    session.closed.addEventListener('abort', () => this.#detach(session), { once: true });
    session.begin(hello);
  }

  progress(): PeerProgress[] {
    const { epoch } = this.#dependencies;
    const connected = [...this.#sessions.values()].map((session) => session.progress());
    const away = this.#acknowledgements.members
      .filter((nodeId) => !this.#sessions.has(nodeId))
      .map((nodeId): PeerProgress => {
        const sequence = this.#acknowledgements.acknowledgedBy(nodeId);
        const lagOperations = this.#window.last - sequence;
        const lagBytes = this.#window.bytesAfter(sequence);
        return { nodeId, state: 'away', acknowledged: { epoch, sequence }, lagOperations, lagBytes };
      });
    return [...connected, ...away];
  }

  scrub(): void {
    for (const session of this.#sessions.values()) session.scrub();
  }

  /** Everything the node has sent is on the target's disk when this resolves; nothing more is taken from it then. */
  async handOff(target: string, limitMs: number): Promise<void> {
    const outcome = await this.hold.during(limitMs, async ({ sequence }, signal) => {
      const session = this.#sessions.get(target);
      if (session === undefined) throw new Error(`${target} is not connected`);
      if (!session.caughtUp) throw new Error(`${target} has not caught up`);
      await session.flush(sequence, signal);
      return sequence;
    });
    if (outcome === null) throw new Error('the SFTP node did not stop writing in time');
    this.#handedOff = true;
  }

  stop(): void {
    clearInterval(this.#ticking);
    this.#cancelReview?.();
    for (const session of this.#sessions.values()) session.close('this host does not lead any more');
    this.#node?.close();
    this.hold.interrupt();
  }

  onHello(node: NodeConnection, { nextSequence }: JournalHello): void {
    if (this.#handedOff) {
      node.send({ type: 'refuse', reason: 'this leadership was handed over' });
      node.close();
      return;
    }
    this.#node?.close();
    this.#node = node;
    this.#nodePaused = false;
    this.hold.interrupt();
    if (nextSequence !== this.#window.last + 1) this.#restartStream(nextSequence - 1);
    node.send({ type: 'welcome', epoch: this.epoch });
    this.#durableSent = 0;
    this.#refusal = '';
    this.#answerNode();
    if (nextSequence > 1) this.#learnHandles();
  }

  onMessage(node: NodeConnection, message: ToJournal, parts: readonly Buffer[]): void {
    if (node !== this.#node || message.type === 'hello') return;
    if (message.type === 'held') {
      this.handles.replace(message.handles);
      this.hold.onHeld(message);
      return;
    }
    if (this.#handedOff) throw new Error('an operation after the hand-off');
    if (message.epoch !== this.epoch) throw new Error(`an operation of epoch ${message.epoch}`);
    if (message.sequence !== this.#window.last + 1) {
      throw new Error(`operation ${message.sequence} after ${this.#window.last}`);
    }
    for (const session of this.#sessions.values()) session.onOperation(message);
    this.handles.follow(message.operation);
    if (this.replicatesFiles) this.#window.append(message, parts);
    else this.#window.skip(message);
    this.#acknowledgements.received(message.sequence, message.durable, this.now());
    for (const session of this.#sessions.values()) session.onWindow();
    this.#answerNode();
    this.#trim();
  }

  onGone(node: NodeConnection): void {
    if (node !== this.#node) return;
    this.#node = null;
    this.hold.interrupt();
  }

  onAcknowledged(session: FollowerSession, sequence: number): void {
    this.#acknowledgements.acknowledge(session.nodeId, sequence, this.now());
    this.#answerNode();
    this.#trim();
    this.onChanged();
  }

  onScrubbed(result: { differences: number; repaired: number }): void {
    this.#dependencies.onScrubbed(result);
  }

  onChanged(): void {
    this.#dependencies.onChanged();
  }

  #detach(session: FollowerSession): void {
    if (this.#sessions.get(session.nodeId) !== session) return;
    this.#sessions.delete(session.nodeId);
    this.log.info({ peer: session.nodeId, reason: String(session.closed.reason) }, 'a follower is away');
    this.#trim();
    this.onChanged();
  }

  /** After all that came has been read: the acknowledgement of who seems late may lie here. */
  #reviewSoon(): void {
    this.#cancelReview ??= afterFullPoll(() => {
      this.#cancelReview = null;
      this.#review();
    });
  }

  #review(): void {
    const atMs = this.now();
    for (const session of this.#sessions.values()) {
      if (session.isStuck(atMs)) session.close(`it made no progress for ${this.syncTimeoutMs} ms`);
    }
    const caughtUp = [...this.#sessions.values()].filter((session) => session.caughtUp);
    this.#membership.review({
      atMs,
      syncTimeoutMs: this.syncTimeoutMs,
      isAlive: (nodeId) => this.#dependencies.peer(nodeId)?.alive ?? false,
      caughtUp: caughtUp.map((session) => session.nodeId),
    });
  }

  #answerNode(): void {
    const refusal = this.#acknowledgements.refuses ? 'no standby is in sync, and `strict` is set' : '';
    if (refusal !== this.#refusal) this.#node?.send({ type: 'refuse', reason: refusal });
    this.#refusal = refusal;
    const { durable } = this.#acknowledgements;
    if (durable <= this.#durableSent) return;
    this.#durableSent = durable;
    this.#node?.send({ type: 'durable', sequence: durable });
  }

  /** Drops what everybody has; stops reading the journal while a follower is a whole window behind. */
  #trim(): void {
    let needed = this.#window.last;
    for (const session of this.#sessions.values()) {
      if (session.streaming && this.replicatesFiles) needed = Math.min(needed, session.acknowledged);
    }
    this.#window.trim(needed);
    if (this.#window.full === this.#nodePaused) return;
    this.#nodePaused = this.#window.full;
    if (this.#nodePaused) this.#node?.pause();
    else this.#node?.resume();
  }

  #restartStream(lastSequence: number): void {
    const reason = `the SFTP node goes on after ${lastSequence}, ${this.#window.last} was the last one received`;
    this.log.warn(
      `operations were lost on the way from the SFTP node: every follower catches up (${reason})`,
    );
    this.#stream = randomUUID();
    this.#window = new OperationWindow(windowBytes, lastSequence);
    this.handles.replace([]);
    this.#acknowledgements.restart(lastSequence);
    for (const session of this.#sessions.values()) session.restart(reason);
  }

  /** A node that was at work before has files open that this process never saw being opened. */
  #learnHandles(): void {
    this.hold
      .during(learnHandlesMs, () => Promise.resolve())
      .catch((error: unknown) => this.log.error({ err: error }, 'the open files could not be learnt'));
  }

  #holdableNode() {
    const node = this.#node;
    if (node === null) return null;
    return { hold: () => node.send({ type: 'hold' }), release: () => node.send({ type: 'release' }) };
  }
}
