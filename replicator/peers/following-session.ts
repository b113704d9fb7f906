import { HoldfastError } from '#contracts/errors.ts';
import type { Frame } from '#contracts/frames.ts';
import { epochAt } from '../core/epoch-table.ts';
import type { LogPosition } from '../core/position.ts';
import { readBatchHead } from '../log/batch.ts';
import { decodeToFollower, encodeToLeader } from './codec.ts';
import type { ConfigMessage, Welcome } from './control.ts';
import type { FrameChannel } from './frame-channel.ts';
import { epochsOf, historyDiffers, toldEpochs } from './hello-check.ts';
import type { ToFollower, ToLeader } from './messages.ts';
import type { FollowerPort } from './ports.ts';
import { asPeerError, endedFrame, peerEnded } from './refusal.ts';
import { Requests } from './requests.ts';

export interface FollowingOptions {
  readonly port: FollowerPort;
  readonly cluster: string;
  readonly nodeId: string;
  readonly leader: string;
  /** Of the leadership that this host was told to follow; it serves no other. */
  readonly epoch: number;
  /** The highest that this host has ever seen. */
  readonly highestEpoch: number;
  readonly onConfig: (config: ConfigMessage) => void;
  /** It joined. */
  readonly onChanged: (session: FollowingSession) => void;
}

/** One connection to the leader: the records in the order of its log, and answers about what is doubted. */
export class FollowingSession {
  readonly #channel: FrameChannel;
  readonly #options: FollowingOptions;
  readonly #port: FollowerPort;
  readonly #requests = new Requests();
  #phase: 'welcome' | 'cutting' | 'joined' | 'config-alone' = 'welcome';
  /** What touches the engine besides the frames that come. */
  readonly #work = new Set<Promise<void>>();
  /** Of the leader's log, at its welcome. */
  #leaderEnd = Number.POSITIVE_INFINITY;
  /** What the leader was told last. */
  #toldReceived = 0;
  #isScheduled = false;
  #isHeld = false;
  #isFlushing = false;
  #flushesAgain = false;
  /** The leader was told of a flush that was not complete, and something came since. */
  #owesComplete = false;
  #lastFlushComplete = true;

  constructor(channel: FrameChannel, options: FollowingOptions) {
    this.#channel = channel;
    this.#options = options;
    this.#port = options.port;
  }

  /** Whether it ever was. */
  get wasJoined(): boolean {
    return this.#phase === 'joined' || this.#phase === 'config-alone';
  }

  /** Whether all records came that the leader had when this connection began. */
  get hasReachedLeader(): boolean {
    return (
      this.isJoined && (this.#phase === 'config-alone' || this.#port.position.sequence >= this.#leaderEnd)
    );
  }

  /** Whether records come, or the configuration where that is all. */
  get isJoined(): boolean {
    return (this.#phase === 'joined' || this.#phase === 'config-alone') && !this.#channel.closed.aborted;
  }

  /**
   * Serves the connection until it is over.
   * @returns why it is over; HISTORY_DIFFERS and EPOCH_STALE are for the engine to act on. Nothing of it touches the
   *   engine any more then.
   */
  async run(): Promise<Error> {
    const { closed } = this.#channel;
    this.#channel.onDrain(() => this.#schedule());
    const stopLooking = this.#port.onRoom(() => this.#onRoom());
    this.#channel.receive(
      (frame) => this.#onFrame(frame),
      (error) => this.close(error),
    );
    this.#greet();
    if (!closed.aborted) {
      await new Promise<void>((resolve) => closed.addEventListener('abort', () => resolve(), { once: true }));
    }
    stopLooking();
    while (this.#work.size > 0) await Promise.all(this.#work);
    return closed.reason;
  }

  /** The leader's configuration of this digest is in force, and may be relied on. */
  tellConfigApplied(digest: string): void {
    this.#send({ type: 'config-applied', digest });
  }

  /** There is something new to ask for, or what could not be flushed can be now. */
  wake(): void {
    this.#owesComplete = !this.#lastFlushComplete;
    this.#schedule();
  }

  /** Ends the connection, and tells the leader why. */
  close(error: unknown): void {
    if (this.#channel.closed.aborted) return;
    this.#send(endedFrame(error));
    this.#channel.close(asPeerError(error));
  }

  #greet(): void {
    const { cluster, nodeId, highestEpoch } = this.#options;
    const { position, chain, epochs, start } = this.#port;
    this.#send({
      type: 'hello',
      cluster,
      node: nodeId,
      highestEpoch,
      position,
      chain: chain.toString('hex'),
      epochs: toldEpochs(epochs),
      start,
    });
  }

  #onFrame(frame: Frame): void {
    const message = decodeToFollower(frame);
    if (message === null) return;
    switch (message.type) {
      case 'ended':
        this.#channel.close(peerEnded(message.code, message.message));
        return;
      case 'refused':
        this.#channel.close(peerEnded(message.code, message.message));
        return;
      case 'welcome':
        this.#onWelcome(message);
        return;
      case 'config':
        this.#checkEpoch(message.epoch);
        this.#options.onConfig(message);
        return;
      default:
        if (this.#phase !== 'joined') {
          throw new HoldfastError('PEER_PROTOCOL', `${message.type} in the phase ${this.#phase}`);
        }
        this.#receive(message);
        this.#holdWithoutRoom();
        this.#owesComplete = !this.#lastFlushComplete;
        this.#schedule();
    }
  }

  #onWelcome(welcome: Welcome): void {
    this.#checkEpoch(welcome.epoch);
    if (this.#phase !== 'welcome') throw new HoldfastError('PEER_PROTOCOL', 'a second welcome');
    if (!welcome.replicatesFiles) {
      this.#phase = 'config-alone';
      this.#options.onChanged(this);
      return;
    }
    this.#phase = 'cutting';
    this.#leaderEnd = welcome.end.sequence;
    this.#during(this.#join(welcome));
  }

  async #join({ position, chain, anew }: Welcome): Promise<void> {
    const port = this.#port;
    if (anew === null) {
      await this.#checkCommon(position, chain);
      // The connection may have ended meanwhile.
      if (this.#channel.closed.aborted) return;
      await port.cutTo(position);
    } else await port.beginAnew(position, Buffer.from(chain, 'hex'), epochsOf(anew));
    if (this.#channel.closed.aborted) return;
    this.#phase = 'joined';
    this.#toldReceived = port.position.sequence;
    this.#send({ type: 'joined', position: port.position, chain: port.chain.toString('hex') });
    this.#options.onChanged(this);
    this.#schedule();
  }

  /** What the leader says that both have, this host has: nothing is taken back before that is sure. */
  async #checkCommon({ epoch, sequence }: LogPosition, chain: string): Promise<void> {
    const own = await this.#port.chainAt(sequence);
    // It may have become shorter since the greeting.
    if (sequence < this.#port.start.sequence) {
      throw new HoldfastError(
        'LOG_NO_LONGER_REACHES',
        `this host's log has nothing up to record ${sequence}`,
      );
    }
    if (epochAt(this.#port.epochs, sequence) !== epoch || own?.toString('hex') !== chain) {
      throw historyDiffers(this.#options.leader, sequence);
    }
  }

  #receive(message: Exclude<ToFollower, { type: 'ended' | 'refused' | 'welcome' | 'config' }>): void {
    switch (message.type) {
      case 'batch':
        this.#consume(message);
        return;
      case 'name':
        this.#port.onName(this.#requests.name(message.id), message.answer);
        return;
      case 'entries':
        this.#port.onEntries(this.#requests.entries(message.id), message.page);
        return;
      case 'opened': {
        const request = this.#requests.file(message.id);
        const inode = this.#port.onOpened(request.path);
        request.opened = { inode, at: this.#port.position.sequence };
        return;
      }
      case 'content': {
        const { opened } = this.#requests.content(message);
        if (opened.inode !== null) {
          this.#port.onContent(opened.inode, opened.at, message.offset, message.data);
        }
        return;
      }
      case 'digest':
        this.#compare(message);
        return;
      case 'answered':
        this.#requests.done(message.id);
        return;
      case 'flush':
        this.#checkCame(message);
        this.#flush();
        return;
      case 'barrier':
        this.#checkCame(message);
        this.#onBarrier(message.sequence);
        return;
    }
  }

  /** The frame's memory is used again: of the records paths are kept, of the data nothing. */
  #consume({ payload: framed, data }: Extract<ToFollower, { type: 'batch' }>): void {
    const payload = Buffer.from(framed);
    const { position, chain } = this.#port;
    const { epoch, first, previous } = readBatchHead(payload);
    if (first !== position.sequence + 1) {
      const sentence = `record ${first} where ${position.sequence + 1} is the next`;
      throw new HoldfastError('PEER_PROTOCOL', sentence);
    }
    if (epoch > this.#options.epoch || epoch < position.epoch || !previous.equals(chain)) {
      throw historyDiffers(this.#options.leader, position.sequence);
    }
    this.#port.consume(payload, data);
  }

  #compare(message: Extract<ToFollower, { type: 'digest' }>): void {
    const { id, ...range } = message;
    // The frame's memory is used again.
    const digests = message.digests.map((digest) => Buffer.from(digest));
    const { inode, at } = this.#requests.digest(message).opened;
    const compared = inode === null ? Promise.resolve() : this.#port.onDigest(inode, at, range, digests);
    this.#during(compared.then(() => this.#requests.done(id)));
  }

  #checkCame({ type, sequence }: { readonly type: string; readonly sequence: number }): void {
    if (sequence > this.#port.position.sequence) {
      throw new HoldfastError('PEER_PROTOCOL', `a ${type} at ${sequence}, which has not come`);
    }
  }

  /** By itself, whatever else there is to flush. What lacks something cannot pass: the flush behind it says when it can. */
  #onBarrier(sequence: number): void {
    if (sequence < this.#port.position.sequence) {
      throw new HoldfastError('PEER_PROTOCOL', `a barrier at ${sequence}, behind later records`);
    }
    this.#during(
      this.#port.barrier().then((passed) => {
        if (passed) this.#send({ type: 'passed', sequence });
        else this.#flush();
      }),
    );
  }

  /** A flush that is under way does not cover what came since: another one follows. */
  #flush(): void {
    this.#flushesAgain = this.#isFlushing;
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    this.#during(
      this.#port.flush().then(({ position, complete }) => {
        this.#isFlushing = false;
        this.#owesComplete ||= this.#lastFlushComplete && !complete;
        this.#lastFlushComplete = complete;
        this.#send({ type: 'flushed', position, complete });
        if (this.#flushesAgain && !this.#channel.closed.aborted) this.#flush();
      }),
    );
  }

  /** Nothing is read while too much waits for its flush here. */
  #holdWithoutRoom(): void {
    if (this.#isHeld || this.#port.hasRoom) return;
    this.#isHeld = true;
    this.#channel.pause();
  }

  #onRoom(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#channel.resume();
  }

  /** Once a turn, for all that came in it: what is received, and what to ask for next. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (this.#channel.closed.aborted || this.#phase !== 'joined') return;
      try {
        this.#tellReceived();
        this.#ask();
      } catch (error) {
        this.close(error);
      }
    });
  }

  #tellReceived(): void {
    const { position } = this.#port;
    if (position.sequence === this.#toldReceived) return;
    this.#toldReceived = position.sequence;
    this.#send({ type: 'received', position });
  }

  #ask(): void {
    if (!this.#channel.writable || !this.#requests.hasPlace) return;
    const wants = this.#port.wants(this.#requests.most);
    for (const request of this.#requests.begin(wants)) this.#send(request);
    if (wants.length > 0 || !this.#requests.isEmpty || !this.#owesComplete) return;
    // Nothing is doubted any more, as far as this is known.
    this.#owesComplete = false;
    this.#flush();
  }

  #during(work: Promise<void>): void {
    const ended = work
      .catch((error: unknown) => this.close(error))
      .finally(() => {
        this.#work.delete(ended);
        this.#schedule();
      });
    this.#work.add(ended);
  }

  #checkEpoch(epoch: number): void {
    if (epoch === this.#options.epoch) return;
    const { leader, epoch: own } = this.#options;
    throw new HoldfastError('EPOCH_STALE', `${leader} leads at epoch ${epoch}, this host follows ${own}`);
  }

  #send(message: ToLeader): void {
    this.#channel.send(encodeToLeader(message));
  }
}
