import type { Allowance } from '#contracts/engine/limits.ts';
import type { Answer, Grant, Refusal, Request, SessionRequest, Success } from '#contracts/engine/message.ts';
import { type ConnectionLoad, SessionLoad } from './load.ts';
import { OrderedAnswers } from './ordered-answers.ts';
import type { Outgoing } from './outgoing.ts';
import type { ClientRequest, ClientSession, Outcome } from './ports.ts';
import { ProtocolError } from './protocol-error.ts';
import { WrittenBytes } from './written-bytes.ts';

type DataOutcome = Extract<Outcome, { kind: 'written' | 'write-refused' }>;
type Settled = Answer & (Success | Refusal);

export interface AcceptedRequest extends ClientRequest {
  readonly session: Session;
}

const badHandle = { errno: 'EBADF', sentence: 'the handle is not open in this session' } as const;

/** One session as the server knows it: what of it is under way, which handles are its own, what waits while it is paused. */
export class Session implements ClientSession {
  readonly id: number;
  readonly grant: Grant;
  readonly door: string;
  readonly #allowance: Allowance;
  readonly #outgoing: Outgoing;
  readonly #onResumed: () => void;
  readonly #onRefused: () => void;
  readonly #handles = new Set<number>();
  readonly #opening = new Set<number>();
  readonly #unanswered = new Set<number>();
  readonly #send: (answer: Settled) => void;
  /** Kept until all others have left. */
  #end: Settled | null = null;
  readonly #made: OrderedAnswers<Settled>;
  readonly #durable: OrderedAnswers<Settled>;
  readonly #written: WrittenBytes;
  readonly #load: SessionLoad;
  #held: AcceptedRequest[] = [];
  #heldBytes = 0;
  #isPaused = false;
  #isGone = false;

  constructor(
    begin: { readonly id: number; readonly grant: Grant; readonly door: string },
    parts: {
      readonly allowance: Allowance;
      readonly outgoing: Outgoing;
      readonly connectionLoad: ConnectionLoad;
      /** There may be held requests that can be submitted now. */
      readonly onResumed: () => void;
      /** The engine did not begin it. */
      readonly onRefused: () => void;
    },
  ) {
    this.id = begin.id;
    this.grant = begin.grant;
    this.door = begin.door;
    this.#allowance = parts.allowance;
    this.#outgoing = parts.outgoing;
    this.#load = new SessionLoad(parts.connectionLoad);
    this.#written = new WrittenBytes((bytes) => this.#load.end(bytes));
    this.#onResumed = parts.onResumed;
    this.#onRefused = parts.onRefused;
    const send = (answer: Settled) => {
      this.#unanswered.delete(answer.request);
      this.#load.end(0);
      this.#outgoing.send({ ...answer, session: this.id }, { acknowledges: answer.kind !== 'refused' });
      this.#answerEnd();
    };
    this.#send = send;
    this.#made = new OrderedAnswers(send);
    this.#durable = new OrderedAnswers(send);
  }

  get settledBytes(): number {
    return this.#written.settledBytes;
  }

  /** Paused, or with requests that are held yet: new ones go behind them. */
  get isHolding(): boolean {
    return this.#isPaused || this.#held.length > 0;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#onResumed();
  }

  hold(request: AcceptedRequest, bytes: number): void {
    this.#held.push(request);
    this.#heldBytes += bytes;
  }

  takeHeld(): { readonly requests: AcceptedRequest[]; readonly bytes: number } {
    const held = { requests: this.#held, bytes: this.#heldBytes };
    this.#held = [];
    this.#heldBytes = 0;
    return held;
  }

  /** The connection is over: what settles from now on is for nobody, what is held is not made. */
  leave(): void {
    this.#isGone = true;
    this.#held = [];
    this.#load.leave();
  }

  /**
   * Takes a request on.
   * @returns null when it is answered already
   * @throws ProtocolError when it goes beyond the allowance
   */
  accept(message: SessionRequest): AcceptedRequest | null {
    if (message.kind === 'write' || message.kind === 'append')
      return this.#acceptData(message, message.request);
    return this.#acceptPlain(message);
  }

  #acceptData(data: Extract<SessionRequest, { data: Buffer }>, request: number): AcceptedRequest | null {
    this.#load.begin(data.data.length);
    const settleBytes = this.#written.add(data.data.length);
    const settle = (outcome: Outcome) => {
      if (this.#isGone || !settleBytes()) return;
      this.#tellOfWrite(request, dataOutcome(outcome));
      this.#outgoing.acknowledge(this);
      this.#answerEnd();
    };
    if (this.#handles.has(data.handle)) return { session: this, request: data, settle };
    settle({ kind: 'write-refused', written: 0, ...badHandle });
    return null;
  }

  #tellOfWrite(request: number, outcome: DataOutcome): void {
    const to = { session: this.id, request };
    if (outcome.kind === 'write-refused') this.#outgoing.send({ ...to, ...outcome }, { acknowledges: false });
    else if (outcome.size !== undefined)
      this.#outgoing.send({ ...to, kind: 'appended', size: outcome.size }, { acknowledges: true });
  }

  #acceptPlain(message: Exclude<SessionRequest, { data: Buffer }>): AcceptedRequest | null {
    const { request } = message;
    if (this.#unanswered.has(request))
      throw new ProtocolError('malformed', `session ${this.id} asked ${request} twice`);
    this.#load.begin(0);
    this.#unanswered.add(request);
    if (message.kind === 'end-session') return this.#acceptEnd(message);
    const answer = (saysMade(message) ? this.#made : this.#durable).add();
    if (message.kind === 'open') return this.#acceptOpen(message, answer);
    if ('handle' in message && !this.#handles.has(message.handle)) {
      answer({ kind: 'refused', request, ...badHandle });
      return null;
    }
    if (message.kind === 'close') this.#handles.delete(message.handle);
    const settle = (outcome: Outcome) => {
      if (this.#isGone) return;
      if (message.kind === 'begin-session' && outcome.kind === 'refused') this.#onRefused();
      answer({ ...plainOutcome(outcome), request });
    };
    return { session: this, request: message, settle };
  }

  #acceptEnd(message: Extract<SessionRequest, { kind: 'end-session' }>): AcceptedRequest {
    const settle = (outcome: Outcome) => {
      if (this.#isGone) return;
      this.#end = { ...plainOutcome(outcome), request: message.request };
      this.#answerEnd();
    };
    return { session: this, request: message, settle };
  }

  #answerEnd(): void {
    const end = this.#end;
    if (end === null || this.#made.size + this.#durable.size + this.#written.size > 0) return;
    this.#end = null;
    this.#send(end);
  }

  #acceptOpen(
    message: Extract<SessionRequest, { kind: 'open' }>,
    answer: (answer: Settled) => void,
  ): AcceptedRequest | null {
    const { request } = message;
    if (this.#handles.size + this.#opening.size >= this.#allowance.handles) {
      answer({
        kind: 'refused',
        request,
        errno: 'EMFILE',
        sentence: 'the session has too many open handles',
      });
      return null;
    }
    this.#opening.add(request);
    const settle = (outcome: Outcome) => {
      if (this.#isGone) return;
      this.#opening.delete(request);
      const opened = plainOutcome(outcome);
      if (opened.kind === 'opened') this.#handles.add(opened.handle);
      answer({ ...opened, request });
    };
    return { session: this, request: message, settle };
  }
}

/** The class of its answer: rule 4 of contracts/engine/message.ts. */
function saysMade({ kind }: Request): boolean {
  return kind === 'begin-session' || kind === 'read-barrier' || kind === 'open';
}

function dataOutcome(outcome: Outcome): DataOutcome {
  if (outcome.kind === 'written' || outcome.kind === 'write-refused') return outcome;
  throw new Error(`a WRITE was settled as ${outcome.kind}`);
}

function plainOutcome(outcome: Outcome): Success | Refusal {
  if (outcome.kind !== 'written' && outcome.kind !== 'write-refused') return outcome;
  throw new Error(`a request without data was settled as ${outcome.kind}`);
}
