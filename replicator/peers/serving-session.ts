import { HoldfastError } from '#contracts/errors.ts';
import type { Frame } from '#contracts/frames.ts';
import { epochAt } from '../core/epoch-table.ts';
import type { LogPosition } from '../core/position.ts';
import { decodeToLeader, encodeToFollower } from './codec.ts';
import { ContentReads, defaultReads, type ReadLimits } from './content-reads.ts';
import type { ConfigMessage, ControlToLeader, Hello, Welcome } from './control.ts';
import { DirectoryPages } from './directory-pages.ts';
import { FlushRequests } from './flush-requests.ts';
import type { FrameChannel } from './frame-channel.ts';
import { commonEnd, historyDiffers, refusalOf, welcomeFor } from './hello-check.ts';
import { limits } from './limits.ts';
import type { LiveStream, StreamReader } from './live-stream.ts';
import { LogReader } from './log-reader.ts';
import type { BatchToSend, ToFollower, ToLeader, WantFrame } from './messages.ts';
import type { Flushed, LeaderPort } from './ports.ts';
import { asPeerError, endedFrame, peerEnded } from './refusal.ts';

export interface ServingOptions {
  /** As the transport authenticated it. */
  readonly nodeId: string;
  readonly cluster: string;
  readonly port: LeaderPort;
  readonly stream: LiveStream;
  readonly replicatesFiles: boolean;
  readonly reads?: ReadLimits;
  /** Attended time, ms: a peer is not late while this process is. */
  readonly now: () => number;
  /** Its log reached to `end` in this leadership's history when it connected; `isAnew`: all is compared all the same. */
  readonly onJoined: (session: ServingSession, end: number, isAnew: boolean) => void;
  /** A position of this leadership's history up to which the follower has everything in its page cache. */
  readonly onReceived: (session: ServingSession, position: LogPosition) => void;
  /** The same for its disk; only what is `complete` counts for acknowledgements (R5). */
  readonly onFlushed: (session: ServingSession, flushed: Flushed) => void;
  /** What the batch changed that ends there is on its disk, and its log up to there. */
  readonly onPassed: (session: ServingSession, sequence: number) => void;
  /** It joined, its configuration was applied, or it is gone. */
  readonly onChanged: (session: ServingSession) => void;
  /** A follower has seen a higher epoch than this leadership's. */
  readonly onHigherEpoch: (epoch: number) => void;
}

/** What is to be sent once everything up to a sequence was. */
interface Due {
  readonly after: number;
  readonly message: ToFollower;
}

type Phase = 'hello' | 'welcoming' | 'joining' | 'streaming' | 'config-alone';

/**
 * One follower as the leader serves it: all records in order, with data as long as the window has it; answers behind the
 * records before them (R4); contents behind those that were issued before the read ended, and read only when there is
 * nothing else to send. What follower and network do not take waits in the log, not in memory.
 */
export class ServingSession implements StreamReader {
  readonly nodeId: string;
  readonly #options: ServingOptions;
  readonly #channel: FrameChannel;
  readonly #log: LogReader;
  readonly #reads: ContentReads;
  readonly #directories: DirectoryPages;
  #phase: Phase = 'hello';
  #welcome: Pick<Welcome, 'position' | 'chain' | 'anew'> | null = null;
  /** Up to where its log was of this leadership's history when it connected. */
  #end = 0;
  /** The sequence of the next record to send. */
  #cursor = 0;
  /** Ascending. */
  #due: Due[] = [];
  readonly #flushes = new FlushRequests();
  /** Ascending, each the end of a batch that is not sent yet, or was sent last. */
  #barriers: number[] = [];
  /** Requests that are not answered completely. */
  readonly #requests = new Set<number>();
  #received: LogPosition = { epoch: 0, sequence: 0 };
  #flushed: Flushed | null = null;
  #isMember = false;
  #appliedConfig: string | null = null;
  /** Not sent yet: only the latest counts. */
  #config: ConfigMessage | null = null;

  constructor(channel: FrameChannel, options: ServingOptions) {
    this.#channel = channel;
    this.#options = options;
    this.nodeId = options.nodeId;
    this.#log = new LogReader(
      options.port,
      () => this.pump(),
      (error) => this.close(error),
    );
    this.#reads = new ContentReads(options.reads ?? defaultReads, options.now);
    this.#directories = new DirectoryPages(options.port);
    channel.closed.addEventListener('abort', () => this.#onClosed(), { once: true });
    channel.onDrain(() => this.pump());
    channel.receive(
      (frame) => this.#onFrame(frame),
      (error) => this.close(error),
    );
  }

  /** Everything up to here is in the follower's page cache; 0/0 before it joined. */
  get receivedPosition(): LogPosition {
    return this.#received;
  }

  get received(): number {
    return this.#received.sequence;
  }

  /** What it said last of its disk; null before. */
  get flushed(): Flushed | null {
    return this.#flushed;
  }

  /** Whether it was told where to go on from. */
  get isServed(): boolean {
    return this.#welcome !== null && !this.closed.aborted;
  }

  get isJoined(): boolean {
    return (this.#phase === 'streaming' || this.#phase === 'config-alone') && !this.closed.aborted;
  }

  /** The digest of the configuration that it has in force; null before it said so. */
  get appliedConfig(): string | null {
    return this.#appliedConfig;
  }

  /** Bytes of records, with data, that it has not received and that the window has: what is left to the log does not count. */
  get lagBytes(): number {
    return this.#options.stream.window.lackingBytes(this.received);
  }

  get closed(): AbortSignal {
    return this.#channel.closed;
  }

  get isMember(): boolean {
    return this.#isMember;
  }

  /** Acknowledgements wait for it, or do no longer. */
  setMember(isMember: boolean): void {
    this.#isMember = isMember;
    this.#options.stream.onProgress();
  }

  /** Asks for a flush of everything up to a sequence. Cumulative: a later one includes those before. */
  flush(sequence: number): void {
    this.#flushes.add(sequence);
    this.pump();
  }

  /**
   * Asks for a flush of what the batch changed that ends here: it overtakes larger ones (P3). To be called before the next
   * batch is issued; else, or while the follower is joining, everything up to there is flushed.
   */
  barrier(sequence: number): void {
    if (this.#phase !== 'streaming' || sequence + 1 < this.#cursor) {
      this.flush(sequence);
      return;
    }
    if (sequence > (this.#barriers.at(-1) ?? 0)) this.#barriers.push(sequence);
    this.pump();
  }

  /** The configuration in force, from now on. */
  sendConfig(config: Omit<ConfigMessage, 'type' | 'epoch'>): void {
    this.#config = { type: 'config', epoch: this.#options.port.epoch, ...config };
    this.pump();
  }

  /** Ends the connection, and tells the follower why. */
  close(error: unknown): void {
    if (this.closed.aborted) return;
    this.#send(endedFrame(error));
    this.#channel.close(asPeerError(error));
  }

  /** Sends what there is to send, as far as the channel takes it. */
  pump(): void {
    if (this.#welcome === null) return;
    try {
      while (this.#channel.writable) {
        if (this.#sendConfig()) continue;
        if (this.#phase !== 'streaming') return;
        if (this.#sendDue()) continue;
        if (this.#sendBatch()) continue;
        if (this.#isAtEnd && this.#due.length === 0) this.#read();
        return;
      }
    } catch (error) {
      this.close(error);
    }
  }

  get #isAtEnd(): boolean {
    return this.#cursor === this.#options.stream.window.next;
  }

  #sendConfig(): boolean {
    const config = this.#config;
    this.#config = null;
    if (config !== null) this.#send(config);
    return config !== null;
  }

  #sendDue(): boolean {
    const [barrier] = this.#barriers;
    if (barrier !== undefined && barrier < this.#cursor) {
      this.#barriers.shift();
      this.#send({ type: 'barrier', sequence: barrier });
      return true;
    }
    const flush = this.#flushes.take(this.#cursor);
    if (flush !== null) {
      this.#send({ type: 'flush', sequence: flush });
      return true;
    }
    const [due] = this.#due;
    if (due === undefined || due.after >= this.#cursor) return false;
    this.#due.shift();
    if (completes(due.message)) this.#requests.delete(due.message.id);
    this.#send(due.message);
    return true;
  }

  #sendBatch(): boolean {
    if (this.#isAtEnd) return false;
    const sent = this.#options.stream.window.at(this.#cursor);
    if (sent !== undefined) this.#log.stop();
    const batch = sent?.batch ?? this.#log.take(this.#cursor);
    if (batch === null) return false;
    this.#send({ type: 'batch', payload: batch.payload, data: sent?.data ?? null });
    this.#cursor = batch.last + 1;
    return true;
  }

  /** Reads files while there is nothing else to do; what was read goes behind the records issued until then. */
  #read(): void {
    this.#reads.begin(
      (messages) => {
        for (const message of messages) this.#answer(message);
        // A block of a longer comparison says nothing yet.
        this.pump();
      },
      (error) => this.close(error),
    );
  }

  /** As of now: behind all records that are issued. */
  #answer(message: ToFollower): void {
    this.#due.push({ after: this.#options.stream.window.next - 1, message });
    this.pump();
  }

  #onFrame(frame: Frame): void {
    const message = decodeToLeader(frame);
    if (message === null) return;
    if (message.type === 'ended') this.#channel.close(peerEnded(message.code, message.message));
    else this.#receive(message);
  }

  #receive(message: Exclude<ToLeader, { type: 'ended' }>): void {
    if (message.type === 'hello' && this.#phase === 'hello') {
      this.#phase = 'welcoming';
      this.#greet(message).catch((error: unknown) => this.#refuse(error));
    } else if (message.type === 'joined' && this.#phase === 'joining') this.#join(message);
    else if (message.type === 'config-applied' && this.#welcome !== null) {
      this.#appliedConfig = message.digest;
      this.#options.onChanged(this);
    } else if (this.#phase === 'streaming') this.#serve(message);
    else throw new HoldfastError('PEER_PROTOCOL', `${message.type} in the phase ${this.#phase}`);
  }

  async #greet(hello: Hello): Promise<void> {
    const { port, cluster, replicatesFiles, onHigherEpoch } = this.#options;
    const refusal = refusalOf(hello, this.nodeId, cluster, port.epoch);
    if (refusal?.code === 'EPOCH_STALE') onHigherEpoch(Math.max(hello.highestEpoch, hello.position.epoch));
    if (refusal !== null) throw refusal;
    const welcome = replicatesFiles
      ? await welcomeFor(hello, port)
      : { position: port.position, chain: port.chain.toString('hex'), anew: null };
    if (this.closed.aborted) return;
    this.#welcome = welcome;
    this.#end = commonEnd(hello, port);
    this.#phase = replicatesFiles ? 'joining' : 'config-alone';
    this.#send({ type: 'welcome', epoch: port.epoch, replicatesFiles, end: port.position, ...welcome });
    this.pump();
    if (!replicatesFiles) this.#options.onChanged(this);
  }

  #refuse(error: unknown): void {
    const { code, message } = endedFrame(error);
    this.#send({ type: 'refused', code, message });
    this.#channel.close(asPeerError(error));
  }

  #join({ position, chain }: Extract<ControlToLeader, { type: 'joined' }>): void {
    const { stream, onChanged, onJoined } = this.#options;
    const { position: expected, chain: own, anew } = this.#welcome ?? {};
    const isThere = position.sequence === expected?.sequence && position.epoch === expected.epoch;
    if (!isThere || chain !== own) throw historyDiffers(this.nodeId, position.sequence);
    this.#phase = 'streaming';
    this.#cursor = position.sequence + 1;
    this.#received = position;
    stream.add(this);
    onJoined(this, this.#end, anew != null);
    onChanged(this);
    this.pump();
  }

  #serve(message: Exclude<ToLeader, { type: 'ended' }>): void {
    switch (message.type) {
      case 'received':
        this.#checkOwn(message.position);
        if (message.position.sequence <= this.received) return;
        this.#received = message.position;
        this.#options.stream.onProgress();
        this.#options.onReceived(this, message.position);
        return;
      case 'flushed': {
        const { position, complete } = message;
        this.#checkOwn(position);
        this.#flushed = { position, complete };
        this.#options.onFlushed(this, this.#flushed);
        return;
      }
      case 'passed':
        this.#checkSent(message.sequence);
        this.#options.onPassed(this, message.sequence);
        return;
      case 'want-name':
      case 'want-entries':
      case 'want-content':
      case 'want-digest':
        this.#onWant(message);
        return;
      default:
        throw new HoldfastError('PEER_PROTOCOL', `${message.type} in a session that goes on`);
    }
  }

  /** What a follower says it has counts only when it is of this leader's history, and was sent. */
  #checkOwn({ epoch, sequence }: LogPosition): void {
    if (epochAt(this.#options.port.epochs, sequence) !== epoch) throw historyDiffers(this.nodeId, sequence);
    this.#checkSent(sequence);
  }

  #checkSent(sequence: number): void {
    if (sequence < this.#cursor) return;
    throw new HoldfastError('PEER_PROTOCOL', `${this.nodeId} has record ${sequence}, which was not sent`);
  }

  #onWant(want: WantFrame): void {
    if (this.#requests.has(want.id) || this.#requests.size >= limits.requests) {
      throw new HoldfastError('PEER_PROTOCOL', `${this.nodeId} asks for more before it was answered`);
    }
    const { port } = this.#options;
    const { id, path } = want;
    this.#requests.add(id);
    if (want.type === 'want-name') this.#answer({ type: 'name', id, answer: port.answerName(path) });
    else if (want.type === 'want-entries') {
      this.#directories
        .page(path, want.after, (page) => this.#answer({ type: 'entries', id, page }))
        .catch((error: unknown) => this.close(error));
    } else {
      const content = port.openContent(path);
      if (content !== null) this.#reads.add({ kind: want.type, id, from: want.from, to: want.to }, content);
      this.#answer({ type: content === null ? 'answered' : 'opened', id });
    }
  }

  #send(message: ToFollower | BatchToSend): void {
    this.#channel.send(encodeToFollower(message));
  }

  #onClosed(): void {
    this.#log.stop();
    this.#reads.close();
    this.#directories.close();
    this.#due = [];
    this.#barriers = [];
    this.#options.stream.remove(this);
    this.#options.onChanged(this);
  }
}

/** Whether a request is answered with that. */
function completes(message: ToFollower): message is Extract<ToFollower, { id: number }> {
  const { type } = message;
  return type === 'name' || type === 'entries' || type === 'answered' || type === 'digest';
}
