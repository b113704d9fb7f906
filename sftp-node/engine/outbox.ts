import type { SessionAnswer } from '#contracts/engine/message.ts';
import { encodeData } from '#contracts/engine/to-engine.ts';
import { AcknowledgedWrites } from './acknowledged-writes.ts';
import type { Connection } from './connection.ts';
import type { Credits } from './credits.ts';
import { EngineRefusal } from './errors.ts';
import { type Gathered, GatheredWrites } from './gathered-write.ts';
import type { Written } from './ports.ts';

/** Where a session is at the engine, for the life of one connection. */
export interface Link {
  /** Its number there. */
  readonly id: number;
  readonly connection: Connection;
  readonly credits: Credits;
}

interface Frame {
  readonly request: number;
  readonly parts: readonly Buffer[];
  /** Of data. */
  readonly bytes: number;
}

/** What of a session goes to the engine over one connection, in order, as credit allows. */
export class Outbox {
  readonly link: Link;
  readonly #onStalled: () => void;
  readonly #gathered = new GatheredWrites();
  readonly #writes = new AcknowledgedWrites();
  #queue: Frame[] = [];
  #lastRequest = 0;
  /** Requests without data that are sent and not answered. */
  #plainUnderWay = 0;
  #isFlushScheduled = false;

  /** @param onStalled something waits: `pump` when anything of the connection is answered */
  constructor(link: Link, onStalled: () => void) {
    this.link = link;
    this.#onStalled = onStalled;
  }

  /** WRITEs that have no answer. */
  get unansweredWrites(): number {
    return this.#writes.waiting;
  }

  /** Whether all data is acknowledged. */
  get hasSettledData(): boolean {
    return this.#writes.takenBytes === 0;
  }

  get hasCredit(): boolean {
    if (this.#gathered.isInAppend) return true;
    const taken = { bytes: this.#writes.takenBytes, requests: this.#underWay };
    return this.#queue.length === 0 && this.link.credits.mayTakeData(taken);
  }

  /** @param encode with the request's number. @returns the number. @throws what `encode` throws; then nothing is sent */
  ask(encode: (request: number) => readonly Buffer[]): number {
    this.#flush();
    const request = this.#nextRequest();
    this.#queue.push({ request, parts: encode(request), bytes: 0 });
    return request;
  }

  /** @param offset null: an append. @throws Error without credit: it must be looked at first */
  take(handle: number, offset: number | null, data: Buffer, last: boolean): void {
    if (!this.hasCredit) throw new Error('a write without credit');
    this.#writes.accept(data.length);
    this.link.credits.took(data.length);
    const before = this.#gathered.add(handle, offset, data, last);
    if (before !== null) {
      this.#enqueueData(before);
      this.pump();
    }
    this.#flushSoon();
  }

  /** The WRITE is whole. Resolves when it is made. */
  whenMade(): Promise<Written> {
    return this.#writes.whenMade();
  }

  /** A request without data was answered. */
  answered(): void {
    this.#plainUnderWay -= 1;
    this.link.credits.answered(0, 1);
  }

  /** @throws Error when it does not fit what was sent */
  hear(answer: Extract<SessionAnswer, { kind: 'acknowledged' | 'appended' | 'write-refused' }>): void {
    if (answer.kind === 'acknowledged') this.#acknowledged(answer.bytes);
    else if (answer.kind === 'appended') this.#writes.appended(answer.request, answer.size);
    else {
      const { request, written, errno, sentence } = answer;
      this.#writes.refused(request, written, new EngineRefusal(errno, sentence));
    }
  }

  /** Sends what may be sent by now. */
  pump(): void {
    const { connection, credits } = this.link;
    let frames = 0;
    for (const { request, parts, bytes } of this.#queue) {
      const sent = { bytes: this.#writes.unacknowledgedBytes, requests: this.#underWay };
      if (!(bytes > 0 ? credits.maySendData(sent) : credits.maySendRequest(sent))) break;
      connection.write(parts);
      credits.sent(bytes);
      if (bytes > 0) this.#writes.sent(request, bytes);
      else this.#plainUnderWay += 1;
      frames += 1;
    }
    if (frames > 0) this.#queue = this.#queue.slice(frames);
    if (!this.hasCredit) this.#onStalled();
  }

  /** The connection is over. */
  fail(error: unknown): void {
    this.#queue = [];
    this.#writes.fail(error);
  }

  get #underWay(): number {
    return this.#plainUnderWay + this.#writes.framesUnderWay;
  }

  #acknowledged(bytes: number): void {
    const { unacknowledgedBytes, framesUnderWay } = this.#writes;
    this.#writes.acknowledged(bytes);
    this.link.credits.answered(
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
    const request = this.#nextRequest();
    const to = { session: this.link.id, request };
    const target =
      offset === null ? ({ kind: 'append', handle } as const) : ({ kind: 'write', handle, offset } as const);
    this.#queue.push({ request, parts: encodeData(to, target, pieces), bytes });
  }

  #nextRequest(): number {
    this.#lastRequest = (this.#lastRequest + 1) >>> 0;
    return this.#lastRequest;
  }
}
