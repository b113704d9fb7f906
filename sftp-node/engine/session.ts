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
import { encodeToEngine } from '#contracts/engine/to-engine.ts';
import { messageOf } from '#contracts/errors.ts';
import { statusCode } from '../sftp/protocol.ts';
import { StatusError } from '../sftp/status-error.ts';
import { EngineRefusal, SessionLost } from './errors.ts';
import { type Link, Outbox } from './outbox.ts';
import { waitForPermission } from './permission.ts';
import type { Done, EngineSession, Opened, Patience, WritePiece, Written } from './ports.ts';
import type { Waiters } from './waiters.ts';

/** What all sessions of this process share. */
export interface SessionHome {
  /** Why no change is made now; empty: they are. */
  readonly refusal: string;
  /** What there is to say while there is no connection. */
  readonly absence: string;
  /** Anything changed that somebody may wait for. */
  readonly waiters: Waiters;
  /** It could not send what it has: to be pumped when something was answered. */
  stalled(session: Session): void;
  /** @param id its number at the connection, which is free there; null: none */
  left(session: Session, id: number | null): void;
}

type Plain = SessionLife | Change;

interface Asked {
  readonly kind: Plain['kind'];
  resolve(success: Success): void;
  reject(error: unknown): void;
}

/** One client's session, which outlives connections as long as nothing of it is open or unanswered when one breaks. */
export class Session implements EngineSession {
  readonly grant: Grant;
  readonly #home: SessionHome;
  readonly #lost = new AbortController();
  readonly #asked = new Map<number, Asked>();
  /** The handles that are open at the engine; whether they append. */
  readonly #handles = new Map<number, boolean>();
  /** null: there is no connection. */
  #outbox: Outbox | null = null;
  /** At this connection. */
  #isBegun = false;
  /** At this one or another. */
  #wasBegun = false;
  #refusedBegin: unknown = null;
  #isEnding = false;
  #made = 0;
  /** Why the WRITE whose pieces are coming in has failed already. */
  #refusedPiece: EngineRefusal | null = null;

  constructor(grant: Grant, home: SessionHome) {
    this.grant = grant;
    this.#home = home;
  }

  get made(): number {
    return this.#made;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  get permitted(): boolean {
    return this.#isBegun && this.#home.refusal === '' && !this.lost.aborted;
  }

  async permission(patience: Patience = {}): Promise<void> {
    const isSo = () => {
      this.lost.throwIfAborted();
      if (this.#refusedBegin !== null) throw this.#refusedBegin;
      return this.permitted;
    };
    const reason = () => (this.#isBegun ? this.#home.refusal : this.#home.absence);
    await waitForPermission({ ...patience, waiters: this.#home.waiters, isSo, reason });
  }

  async begun(patience: Patience = {}): Promise<void> {
    const isSo = () => {
      if (this.#refusedBegin !== null) throw this.#refusedBegin;
      return this.#isBegun;
    };
    const reason = () => this.#home.absence;
    await waitForPermission({ ...patience, waiters: this.#home.waiters, isSo, reason });
  }

  get unanswered(): number {
    const changes = [...this.#asked.values()].filter(({ kind }) => isChange(kind));
    return changes.length + (this.#outbox?.unansweredWrites ?? 0);
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
    const outbox = this.#outbox;
    if (outbox === null || this.lost.aborted) {
      const error = this.lost.aborted ? this.lost.reason : this.#absent();
      return piece.last ? Promise.reject(error) : null;
    }
    const { handle, offset, data, last } = piece;
    const refusal = this.#refusalOf(piece);
    if (refusal !== null) this.#refusedPiece ??= refusal;
    else outbox.take(handle, this.#handles.get(handle) === true ? null : offset, data, last);
    if (!last) return null;
    const refused = this.#refusedPiece;
    this.#refusedPiece = null;
    const made = outbox.whenMade();
    return refused === null ? made : made.then(() => Promise.reject(refused));
  }

  get hasCredit(): boolean {
    return this.lost.aborted || (this.#outbox?.hasCredit ?? true);
  }

  async credit(): Promise<void> {
    await this.#home.waiters.until(() => {
      this.lost.throwIfAborted();
      return this.hasCredit;
    });
  }

  async readBarrier(): Promise<void> {
    const isQuiet = this.#asked.size === 0 && (this.#outbox?.hasSettledData ?? true);
    // Before it began nothing was changed.
    if (isQuiet || !this.#isBegun || this.lost.aborted) return;
    await this.#ask({ kind: 'read-barrier' });
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    const isBeginning = this.#outbox !== null && !this.#isBegun && this.#refusedBegin === null;
    // It ends when the answer is here.
    if (isBeginning) return;
    if (this.#isBegun && !this.lost.aborted) await this.#ask({ kind: 'end-session' }).catch(() => {});
    this.#left();
  }

  // What follows is called by the client.

  /** At a new connection. */
  begin(link: Link): void {
    this.#outbox = new Outbox(link, () => this.#home.stalled(this));
    const makeRoot = this.#wasBegun ? null : this.grant.makeRoot;
    const grant = { ...this.grant, makeRoot };
    this.#ask({ kind: 'begin-session', grant }).then(
      (begun) => this.#didBegin(begun),
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
      case 'appended':
      case 'write-refused':
        this.#outbox?.hear(answer);
        break;
      default:
        this.#answered(answer.request, answer);
    }
    this.pump();
  }

  pump(): void {
    this.#outbox?.pump();
  }

  /** The connection broke (H1). */
  disconnected(): void {
    const isLost = this.#isEnding || this.#handles.size > 0 || this.unanswered > 0;
    const error = new SessionLost('the storage engine went away in the middle of a change');
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const { kind, resolve, reject } of asked) {
      // Nothing was unanswered before it.
      if (kind === 'read-barrier' && !isLost) resolve({ kind: 'done', durable: false, paths: [] });
      else reject(error);
    }
    this.#outbox?.fail(error);
    this.#outbox = null;
    this.#isBegun = false;
    if (isLost) this.#lose(error);
  }

  #lose(error: SessionLost): void {
    this.#handles.clear();
    this.#lost.abort(error);
    this.#left();
    this.#home.waiters.changed();
  }

  #left(): void {
    this.#home.left(this, this.#outbox?.link.id ?? null);
  }

  #didBegin(begun: Success): void {
    if (begun.kind === 'begun') this.#made += begun.made;
    this.#isBegun = true;
    this.#wasBegun = true;
    // Nobody waited for it any more.
    if (this.#isEnding) void this.end();
    this.#home.waiters.changed();
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

  #refusalOf({ handle, offset, data }: WritePiece): EngineRefusal | null {
    if (!this.#handles.has(handle)) return new EngineRefusal('EBADF', 'the handle is not open for writing');
    // The engine would take it for no message at all, and hang up on everybody.
    if (!Number.isSafeInteger(offset + data.length)) return new EngineRefusal('EFBIG', 'it ends too far out');
    return null;
  }

  #ask(request: Plain): Promise<Success> {
    if (this.lost.aborted) return Promise.reject(this.lost.reason);
    const outbox = this.#outbox;
    if (outbox === null || (!this.#isBegun && request.kind !== 'begin-session'))
      return Promise.reject(this.#absent());
    const { promise, resolve, reject } = Promise.withResolvers<Success>();
    try {
      const session = outbox.link.id;
      const id = outbox.ask((id) => encodeToEngine({ ...request, session, request: id }));
      this.#asked.set(id, { kind: request.kind, resolve, reject });
    } catch (error) {
      return Promise.reject(refusalOf(request, error));
    }
    outbox.pump();
    return promise;
  }

  #absent(): StatusError {
    return new StatusError(statusCode.failure, this.#home.absence);
  }

  #answered(request: number, answer: Success | Refusal): void {
    const asked = this.#asked.get(request);
    if (asked === undefined) throw new Error(`an answer to ${request}, which was not asked`);
    this.#asked.delete(request);
    this.#outbox?.answered();
    if (answer.kind === 'refused') asked.reject(new EngineRefusal(answer.errno, answer.sentence));
    else asked.resolve(answer);
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
