import { FormatError } from '#contracts/bytes.ts';
import { maxPathBytes } from '#contracts/engine/limits.ts';
import type {
  Change,
  Grant,
  Refusal,
  SessionAnswer,
  SessionLife,
  Success,
} from '#contracts/engine/message.ts';
import { encodeData, encodeToEngine } from '#contracts/engine/to-engine.ts';
import { messageOf } from '#contracts/errors.ts';
import { statusCode } from '../sftp/protocol.ts';
import { StatusError } from '../sftp/status-error.ts';
import { AcknowledgedWrites } from './acknowledged-writes.ts';
import type { Connection } from './connection.ts';
import type { Credits } from './credits.ts';
import { EngineRefusal, SessionLost } from './errors.ts';
import { type Gathered, GatheredWrites } from './gathered-write.ts';
import { waitForPermission } from './permission.ts';
import type { Done, EngineSession, Opened, Patience, WritePiece, Written } from './ports.ts';
import type { Waiters } from './waiters.ts';

const notConnected = 'The storage engine is not connected';

/** Where a session is at the engine, for the life of one connection. */
export interface Link {
  readonly id: number;
  readonly connection: Connection;
  readonly credits: Credits;
}

/** What all sessions of this process share. */
export interface SessionHome {
  /** Why no change is made now; empty: they are. */
  readonly refusal: string;
  /** Anything changed that somebody may wait for. */
  readonly waiters: Waiters;
  /** It could not send what it has: to be pumped when something was answered. */
  stalled(session: Session): void;
  /** @param id its number at the connection, which is free there; null: none */
  left(session: Session, id: number | null): void;
}

interface Frame {
  readonly request: number;
  readonly parts: readonly Buffer[];
  /** Of data. */
  readonly bytes: number;
}

type Plain = SessionLife | Change;

interface Asked {
  readonly kind: Plain['kind'];
  resolve(success: Success): void;
  reject(error: unknown): void;
}

export class Session implements EngineSession {
  readonly grant: Grant;
  readonly #home: SessionHome;
  readonly #lost = new AbortController();
  readonly #gathered = new GatheredWrites();
  readonly #asked = new Map<number, Asked>();
  /** The handles that are open at the engine; whether they append. */
  readonly #handles = new Map<number, boolean>();
  #writes = new AcknowledgedWrites();
  #queue: Frame[] = [];
  #link: Link | null = null;
  #isBegun = false;
  #wasBegun = false;
  #refusedBegin: unknown = null;
  #lastRequest = 0;
  #plainUnderWay = 0;
  #isFlushScheduled = false;
  #isEnding = false;
  /** Why the WRITE whose pieces are coming in has failed already. */
  #refusedPiece: EngineRefusal | null = null;

  constructor(grant: Grant, home: SessionHome) {
    this.grant = grant;
    this.#home = home;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  get permitted(): boolean {
    return this.#isBegun && this.#home.refusal === '' && !this.lost.aborted;
  }

  async permission(patience: Patience = {}): Promise<void> {
    await waitForPermission({
      ...patience,
      waiters: this.#home.waiters,
      isSo: () => {
        this.lost.throwIfAborted();
        return this.permitted;
      },
      reason: () => (this.#isBegun ? `Writes are refused: ${this.#home.refusal}` : notConnected),
    });
  }

  /** @throws EngineRefusal when the engine did not begin it */
  async begun(patience: Patience): Promise<void> {
    await waitForPermission({
      ...patience,
      waiters: this.#home.waiters,
      isSo: () => {
        if (this.#refusedBegin !== null) throw this.#refusedBegin;
        return this.#isBegun;
      },
      reason: () => notConnected,
    });
  }

  get unanswered(): number {
    const changes = [...this.#asked.values()].filter(({ kind }) => isChange(kind));
    return changes.length + this.#writes.waiting;
  }

  async open(change: Extract<Change, { kind: 'open' }>): Promise<Opened> {
    const opened = await this.#ask(change);
    if (opened.kind !== 'opened') throw new Error(`an open was answered with ${opened.kind}`);
    this.#handles.set(opened.handle, change.flags.append);
    return opened;
  }

  async change(change: Exclude<Change, { kind: 'open' }>): Promise<Done> {
    if (change.kind === 'close') this.#handles.delete(change.handle);
    const done = await this.#ask(change);
    if (done.kind !== 'done') throw new Error(`a ${change.kind} was answered with ${done.kind}`);
    return done;
  }

  write(piece: WritePiece): Promise<Written> | null {
    if (this.lost.aborted) return piece.last ? Promise.reject(this.lost.reason) : null;
    const refusal = this.#refusalOf(piece);
    if (refusal === null) this.#accept(piece);
    else this.#refusedPiece ??= refusal;
    if (!piece.last) return null;
    const refused = this.#refusedPiece;
    this.#refusedPiece = null;
    const made = this.#writes.whenMade();
    return refused === null ? made : made.then(() => Promise.reject(refused));
  }

  get hasCredit(): boolean {
    if (this.#link === null || this.lost.aborted || this.#gathered.isInAppend) return true;
    const taken = { bytes: this.#writes.takenBytes, requests: this.#underWay };
    return this.#queue.length === 0 && this.#link.credits.mayTakeData(taken);
  }

  async credit(): Promise<void> {
    await this.#home.waiters.until(() => {
      this.lost.throwIfAborted();
      return this.hasCredit;
    });
  }

  async readBarrier(): Promise<void> {
    if (this.#isQuiet || this.lost.aborted) return;
    await this.#ask({ kind: 'read-barrier' });
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    const isBeginning = this.#link !== null && !this.#isBegun && this.#refusedBegin === null;
    // It ends when the answer is here.
    if (isBeginning) return;
    if (this.#isBegun && !this.lost.aborted) await this.#ask({ kind: 'end-session' }).catch(() => {});
    this.#left();
  }

  #refusalOf({ handle, offset, data }: WritePiece): EngineRefusal | null {
    if (!this.#handles.has(handle)) return new EngineRefusal('EBADF', 'the handle is not open for writing');
    // The engine would take it for no message at all, and hang up on everybody.
    if (!Number.isSafeInteger(offset + data.length)) return new EngineRefusal('EFBIG', 'it ends too far out');
    return null;
  }

  #accept({ handle, offset, data, last }: WritePiece): void {
    if (!this.hasCredit) throw new Error('a write without credit');
    this.#writes.accept(data.length);
    this.#link?.credits.took(data.length);
    const appends = this.#handles.get(handle) === true;
    const before = this.#gathered.add(handle, appends ? null : offset, data, last);
    if (before !== null) {
      this.#enqueueData(before);
      this.pump();
    }
    this.#flushSoon();
  }

  // What follows is called by the client.

  /** At a new connection. */
  begin(link: Link): void {
    this.#link = link;
    const makeRoot = this.#wasBegun ? null : this.grant.makeRoot;
    const grant = { ...this.grant, makeRoot };
    this.#ask({ kind: 'begin-session', grant }).then(
      () => this.#didBegin(),
      (error) => this.#notBegun(error),
    );
  }

  /** The engine takes no more sessions. */
  notTaken(refusal: EngineRefusal): void {
    this.#notBegun(refusal);
  }

  /** @throws Error when it answers nothing that was asked */
  receive(answer: SessionAnswer): void {
    switch (answer.kind) {
      case 'acknowledged':
        this.#acknowledged(answer.bytes);
        break;
      case 'appended':
        this.#writes.appended(answer.request, answer.size);
        return;
      case 'write-refused':
        this.#writes.refused(
          answer.request,
          answer.written,
          new EngineRefusal(answer.errno, answer.sentence),
        );
        return;
      default:
        this.#answered(answer.request, answer);
    }
    this.pump();
  }

  /** Sends what may be sent by now. */
  pump(): void {
    const link = this.#link;
    let frames = 0;
    for (const { request, parts, bytes } of this.#queue) {
      const sent = { bytes: this.#writes.unacknowledgedBytes, requests: this.#underWay };
      const { credits } = link ?? {};
      if (!(bytes > 0 ? credits?.maySendData(sent) : credits?.maySendRequest(sent))) break;
      link?.connection.write(parts);
      link?.credits.sent(bytes);
      if (bytes > 0) this.#writes.sent(request, bytes);
      else this.#plainUnderWay += 1;
      frames += 1;
    }
    if (frames > 0) this.#queue = this.#queue.slice(frames);
    if (!this.hasCredit) this.#home.stalled(this);
  }

  /** The connection broke (H1). */
  disconnected(): void {
    const asked = [...this.#asked.values()];
    const isLost = this.#isEnding || this.#handles.size > 0 || this.unanswered > 0;
    this.#link = null;
    this.#isBegun = false;
    this.#asked.clear();
    this.#plainUnderWay = 0;
    this.#queue = [];
    const error = new SessionLost('the storage engine went away in the middle of a change');
    for (const { kind, resolve, reject } of asked) {
      // Nothing was unanswered before it.
      if (kind === 'read-barrier' && !isLost) resolve({ kind: 'done', durable: false, paths: [] });
      else reject(error);
    }
    if (isLost) this.#lose(error);
    else this.#writes = new AcknowledgedWrites();
  }

  #lose(error: SessionLost): void {
    this.#queue = [];
    this.#handles.clear();
    this.#writes.fail(error);
    this.#lost.abort(error);
    this.#left();
    this.#home.waiters.changed();
  }

  #didBegin(): void {
    this.#isBegun = true;
    this.#wasBegun = true;
    // Nobody waited for it any more.
    if (this.#isEnding) void this.end();
    this.#home.waiters.changed();
  }

  #left(): void {
    this.#home.left(this, this.#link?.id ?? null);
  }

  /** A connection that broke meanwhile is followed by another one, where it begins again. */
  #notBegun(error: unknown): void {
    if (error instanceof SessionLost) return;
    if (this.#wasBegun)
      this.#lose(
        new SessionLost(`the storage engine did not take the session up again: ${messageOf(error)}`),
      );
    else this.#refusedBegin = error;
    if (this.#isEnding) this.#left();
    this.#home.waiters.changed();
  }

  get #underWay(): number {
    return this.#plainUnderWay + this.#writes.framesUnderWay;
  }

  /** Everything that was asked for is answered. */
  get #isQuiet(): boolean {
    return (
      this.#asked.size === 0 &&
      this.#gathered.bytes === 0 &&
      this.#queue.length === 0 &&
      this.#writes.framesUnderWay === 0
    );
  }

  #ask(request: Plain): Promise<Success> {
    if (this.lost.aborted) return Promise.reject(this.lost.reason);
    const link = this.#link;
    if (link === null || (!this.#isBegun && request.kind !== 'begin-session'))
      return Promise.reject(new StatusError(statusCode.failure, notConnected));
    this.#flush();
    const id = this.#nextRequest();
    try {
      const parts = encodeToEngine({ ...request, session: link.id, request: id });
      this.#queue.push({ request: id, parts, bytes: 0 });
    } catch (error) {
      return Promise.reject(refusalOf(request, error));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Success>();
    this.#asked.set(id, { kind: request.kind, resolve, reject });
    this.pump();
    return promise;
  }

  #answered(request: number, answer: Success | Refusal): void {
    const asked = this.#asked.get(request);
    if (asked === undefined) throw new Error(`an answer to ${request}, which was not asked`);
    this.#asked.delete(request);
    this.#plainUnderWay -= 1;
    this.#link?.credits.answered(0, 1);
    if (answer.kind === 'refused') asked.reject(new EngineRefusal(answer.errno, answer.sentence));
    else asked.resolve(answer);
  }

  #acknowledged(bytes: number): void {
    const { unacknowledgedBytes, framesUnderWay } = this.#writes;
    this.#writes.acknowledged(bytes);
    this.#link?.credits.answered(
      unacknowledgedBytes - this.#writes.unacknowledgedBytes,
      framesUnderWay - this.#writes.framesUnderWay,
    );
  }

  /** At the end of this turn: what comes until then may continue what is gathered. */
  #flushSoon(): void {
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    setImmediate(() => {
      this.#isFlushScheduled = false;
      this.#flush();
      this.pump();
    });
  }

  #flush(): void {
    const gathered = this.#gathered.take();
    if (gathered !== null) this.#enqueueData(gathered);
  }

  #enqueueData({ handle, offset, pieces, bytes }: Gathered): void {
    if (this.#link === null) return;
    const request = this.#nextRequest();
    const target =
      offset === null ? ({ kind: 'append', handle } as const) : ({ kind: 'write', handle, offset } as const);
    const parts = encodeData({ session: this.#link.id, request }, target, pieces);
    this.#queue.push({ request, parts, bytes });
  }

  #nextRequest(): number {
    this.#lastRequest = (this.#lastRequest + 1) >>> 0;
    return this.#lastRequest;
  }
}

/** Of these nobody may say what became of them when the engine went away. */
function isChange(kind: Plain['kind']): boolean {
  return kind !== 'begin-session' && kind !== 'end-session' && kind !== 'read-barrier';
}

/** What no frame takes. */
function refusalOf(request: Plain, error: unknown): unknown {
  if (!(error instanceof FormatError)) return error;
  const isTooLong = Object.values(request).some(
    (value) => Buffer.isBuffer(value) && value.length > maxPathBytes,
  );
  return isTooLong
    ? new EngineRefusal('ENAMETOOLONG', 'the path is too long')
    : new EngineRefusal('EINVAL', error.message);
}
