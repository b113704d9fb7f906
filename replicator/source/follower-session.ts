import { messageOf } from '#contracts/errors.ts';
import type { PeerProgress } from '#contracts/ipc/replicator.ts';
import type { DataFrame, OperationFrame } from '../protocol/codec.ts';
import type { ToLeader } from '../protocol/message.ts';
import { CatchUpService } from './catch-up-service.ts';
import { answerFileRequest } from './file-server.ts';
import type { FollowerChannel, Hello, Leadership } from './leadership.ts';
import { ScrubService } from './scrub-service.ts';

const gatheredBytes = 128 * 1024;

/** One follower as the leader serves it: config first, then catch-up when it is needed, then the live stream. */
export class FollowerSession {
  readonly nodeId: string;
  readonly #channel: FollowerChannel;
  readonly #leadership: Leadership;
  readonly #catchUp: CatchUpService;
  readonly #scrub: ScrubService;
  #streaming = false;
  #configApplied = '';
  /** The next operation to send. */
  #cursor = 0;
  #acknowledged = 0;
  #progressAtMs = 0;
  readonly #flushWaiters = new Set<(sequence: number) => void>();

  constructor(nodeId: string, channel: FollowerChannel, leadership: Leadership) {
    this.nodeId = nodeId;
    this.#channel = channel;
    this.#leadership = leadership;
    this.#catchUp = new CatchUpService(channel, leadership, (sequence) => this.#beginStreaming(sequence));
    this.#scrub = new ScrubService(this, channel, leadership);
  }

  /** Answers the follower's hello, and serves it until the channel closes. */
  begin(hello: Hello): void {
    const { epoch, stream, replicatesFiles, window } = this.#leadership;
    const resume = hello.resume;
    const resumed =
      replicatesFiles &&
      resume !== null &&
      resume.stream === stream &&
      window.canResumeAfter(resume.sequence);
    this.#channel.send({ type: 'welcome', epoch, stream, resumed, replicatesFiles });
    this.sendConfig();
    this.#channel.receive((message) => this.#receive(message));
    this.#channel.onDrain(() => this.#pump());
    this.#channel.closed.addEventListener('abort', () => this.#leadership.onChanged(), { once: true });
    if (!replicatesFiles) this.#beginStreaming(window.last);
    else if (resumed) this.#beginStreaming(resume.sequence);
  }

  get streaming(): boolean {
    return this.#streaming && !this.#channel.closed.aborted;
  }

  /** Whether it may be relied on: everything, config too. */
  get caughtUp(): boolean {
    return this.streaming && this.#configApplied === this.#leadership.config.digest;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  get closed(): AbortSignal {
    return this.#channel.closed;
  }

  progress(): PeerProgress {
    const { epoch, window } = this.#leadership;
    const lagging = this.streaming && this.#leadership.replicatesFiles;
    const lagBytes = lagging ? window.bytesAfter(this.#acknowledged) : 0;
    return {
      nodeId: this.nodeId,
      state: this.streaming ? 'streaming' : 'catching-up',
      acknowledged: { epoch, sequence: this.#acknowledged },
      lagOperations: lagging ? window.last - this.#acknowledged : 0,
      lagBytes,
    };
  }

  sendConfig(): void {
    const { epoch, config } = this.#leadership;
    this.#channel.send({ type: 'config', epoch, digest: config.digest, files: config.files });
  }

  /** Each operation passes here before the handle table follows it. */
  onOperation({ operation }: OperationFrame): void {
    if (!this.#streaming) this.#catchUp.note(operation);
    this.#scrub.note(operation);
  }

  /** New operations are in the window. */
  onWindow(): void {
    this.#pump();
  }

  /** Operations were lost before they reached this process. */
  restart(reason: string): void {
    const { epoch, stream } = this.#leadership;
    this.#streaming = false;
    this.#acknowledged = 0;
    this.#catchUp.restart();
    this.#scrub.cancel();
    this.#channel.send({ type: 'restart', epoch, stream, reason });
  }

  /** Whether operations have waited for it without progress for too long. */
  isStuck(atMs: number): boolean {
    if (!this.streaming || !this.#leadership.replicatesFiles) return false;
    if (this.#acknowledged >= this.#leadership.window.last) {
      this.#progressAtMs = atMs;
      return false;
    }
    return atMs - this.#progressAtMs >= this.#leadership.syncTimeoutMs;
  }

  scrub(): void {
    if (this.streaming && this.#leadership.replicatesFiles) this.#scrub.begin();
  }

  /** Resolves when everything up to `sequence` is fsynced there. */
  async flush(sequence: number, signal: AbortSignal): Promise<void> {
    const gone = AbortSignal.any([signal, this.#channel.closed]);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const fail = () => reject(gone.reason);
    const waiter = (flushed: number) => {
      if (flushed >= sequence) resolve();
    };
    if (gone.aborted) fail();
    gone.addEventListener('abort', fail, { once: true });
    this.#flushWaiters.add(waiter);
    this.#channel.send({ type: 'flush', epoch: this.#leadership.epoch, sequence });
    try {
      await promise;
    } finally {
      gone.removeEventListener('abort', fail);
      this.#flushWaiters.delete(waiter);
    }
  }

  close(reason: string): void {
    this.#channel.close(reason);
  }

  #receive(message: ToLeader | OperationFrame | DataFrame): void {
    switch (message.type) {
      case 'acknowledge':
        if (message.stream === this.#leadership.stream && this.#streaming)
          this.#acknowledge(message.sequence);
        break;
      case 'config-applied':
        this.#configApplied = message.digest;
        this.#leadership.onChanged();
        break;
      case 'next-round':
        this.#catchUp.onNextRound(message.stream);
        break;
      case 'list':
      case 'digest':
      case 'read':
        answerFileRequest(this.#leadership.tree, message, this.#channel).catch((error: unknown) =>
          this.close(`its request for ${message.type} failed: ${messageOf(error)}`),
        );
        break;
      case 'flushed':
        for (const waiter of this.#flushWaiters) waiter(message.sequence);
        break;
      case 'scrub-suspects':
        this.#scrub.onSuspects(message.paths);
        break;
      case 'scrub-repaired':
        this.#scrub.onRepaired();
        break;
      case 'scrub-result':
        this.#scrub.onResult(message);
        break;
      case 'hello':
      case 'operation':
      case 'data':
        throw new Error(`${message.type} is not for a leader in session`);
    }
  }

  #acknowledge(sequence: number): void {
    if (sequence >= this.#cursor) throw new Error(`acknowledged ${sequence}, which was not sent`);
    if (sequence <= this.#acknowledged) return;
    this.#acknowledged = sequence;
    this.#progressAtMs = this.#leadership.now();
    this.#leadership.onAcknowledged(this, sequence);
  }

  #beginStreaming(sequence: number): void {
    this.#streaming = true;
    this.#cursor = sequence + 1;
    this.#acknowledged = sequence;
    this.#progressAtMs = this.#leadership.now();
    this.#leadership.onAcknowledged(this, sequence);
    this.#leadership.onChanged();
    this.#pump();
  }

  #pump(): void {
    if (!this.#streaming || !this.#leadership.replicatesFiles) return;
    while (this.#channel.writable) {
      const gathered = this.#gather();
      if (gathered.length === 0) return;
      this.#channel.sendParts(gathered);
    }
  }

  #gather(): Buffer[] {
    const parts: Buffer[] = [];
    for (let bytes = 0; bytes < gatheredBytes; this.#cursor++) {
      const next = this.#leadership.window.at(this.#cursor);
      if (next === undefined) break;
      parts.push(...next.parts);
      bytes += next.bytes;
    }
    return parts;
  }
}
