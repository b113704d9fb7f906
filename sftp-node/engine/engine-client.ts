import type { FromEngine, GoodbyeCode, Grant } from '#contracts/engine/message.ts';
import { commonVersion, engineProtocol } from '#contracts/engine/version.ts';
import type { Epoch } from '#contracts/identities.ts';
import { LoopWatch } from '#contracts/lateness.ts';
import type { Logger } from '#contracts/log.ts';
import { Connection } from './connection.ts';
import { Credits } from './credits.ts';
import { EngineRefusal } from './errors.ts';
import type { Engine, EngineSession, Patience } from './ports.ts';
import { Session, type SessionHome } from './session.ts';
import { Waiters } from './waiters.ts';

const firstRetryMs = 10;
const lastRetryMs = 100;
const pingMs = 250;

export interface EngineClientOptions {
  /** The unix socket of the engine. */
  readonly path: string;
  /** Under which this process serves: another engine takes none of its changes. */
  readonly epoch: Epoch;
  /** The name of this process, for the engine's log. */
  readonly door: string;
  readonly log: Logger;
  /** Why this process asks for no change now; empty: it may. Whoever makes it so calls `waiters.changed`. */
  readonly ownRefusal?: () => string;
  /** Milliseconds without those in which this process stood still. */
  readonly attendedMs?: () => number;
}

/**
 * The storage engine by its unix socket. When the connection breaks it is made anew: sessions without open handles whose
 * changes are all answered begin there again and go on, the others are lost (H1).
 *
 * A silent engine is told (`silentMs`), not left: its disk may stand still, and who hung up on it would lose all sessions.
 * It alone knows whether it may still make changes (H2).
 */
export class EngineClient implements Engine, SessionHome {
  readonly #options: EngineClientOptions;
  readonly #attendedMs: () => number;
  readonly #sessions = new Set<Session>();
  /** Of this connection, by the number that it has there. */
  #linked = new Map<number, Session>();
  readonly waiters = new Waiters();
  #stalled = new Set<Session>();
  #isPumpScheduled = false;
  #connection: Connection;
  #credits: Credits | null = null;
  #lastSession = 0;
  #refusal = '';
  /** Why the engine sent this process away last; null: the last connection had no such end. */
  #goodbye: GoodbyeCode | null = null;
  #wasSentAway = false;
  #heardAtMs = 0;
  #retryMs = firstRetryMs;
  #isClosed = false;
  #retry: NodeJS.Timeout | null = null;
  readonly #pings: NodeJS.Timeout;

  constructor(options: EngineClientOptions) {
    this.#options = options;
    const watch = options.attendedMs === undefined ? new LoopWatch().start() : null;
    this.#attendedMs = options.attendedMs ?? (() => watch?.attendedMs() ?? 0);
    this.#connection = this.#connect();
    this.#pings = setInterval(() => this.#ping(), pingMs).unref();
  }

  get refusal(): string {
    const own = this.#options.ownRefusal?.() ?? '';
    if (own !== '') return own;
    return this.#refusal === '' ? '' : `Writes are refused: ${this.#refusal}`;
  }

  get absence(): string {
    return this.#goodbye === 'no-room'
      ? 'The storage engine takes no more connections'
      : 'The storage engine is not connected';
  }

  get unanswered(): number {
    return [...this.#sessions].reduce((sum, session) => sum + session.unanswered, 0);
  }

  get silentMs(): number {
    if (this.#credits === null) return 0;
    const silentMs = this.#attendedMs() - this.#heardAtMs;
    return silentMs > 2 * pingMs ? silentMs : 0;
  }

  openSession(grant: Grant): EngineSession {
    const session = new Session(grant, this);
    this.#sessions.add(session);
    if (this.#credits !== null) this.#begin(session, this.#credits);
    return session;
  }

  /** The same, begun. @throws as EngineSession.begun */
  async beginSession(grant: Grant, patience: Patience = {}): Promise<EngineSession> {
    const session = this.openSession(grant);
    try {
      await session.begun(patience);
      return session;
    } catch (error) {
      void session.end();
      throw error;
    }
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#pings);
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#connection.destroy();
  }

  stalled(session: Session): void {
    this.#stalled.add(session);
  }

  left(session: Session, id: number | null): void {
    this.#sessions.delete(session);
    if (id !== null) this.#linked.delete(id);
    this.#stalled.delete(session);
  }

  #connect(): Connection {
    const { path, log, epoch, door } = this.#options;
    const connection: Connection = new Connection({
      path,
      log,
      onConnect: () => connection.send({ kind: 'hello', versions: engineProtocol, epoch, door }),
      onMessage: (message) => this.#receive(message),
      onClosed: () => this.#disconnected(),
    });
    return connection;
  }

  #disconnected(): void {
    const { log } = this.#options;
    if (this.#credits !== null && !this.#isClosed)
      log.warn({ code: 'REPLICATION_STOPPED' }, 'the storage engine went away: changes wait');
    if (!this.#wasSentAway) this.#goodbye = null;
    this.#wasSentAway = false;
    this.#credits = null;
    this.#linked = new Map();
    this.#stalled = new Set();
    for (const session of [...this.#sessions]) session.disconnected();
    this.waiters.changed();
    if (this.#isClosed) return;
    this.#retry = setTimeout(() => {
      this.#connection = this.#connect();
    }, this.#retryMs);
    this.#retryMs = Math.min(lastRetryMs, this.#retryMs * 2);
  }

  #receive(message: FromEngine): void {
    this.#heardAtMs = this.#attendedMs();
    switch (message.kind) {
      case 'welcome':
        this.#welcome(message);
        break;
      case 'goodbye':
        this.#goodbye = message.code;
        this.#wasSentAway = true;
        this.#options.log.warn(
          { goodbye: message.code, reason: message.sentence },
          'the storage engine sends us away',
        );
        this.#connection.destroy();
        break;
      case 'refusing':
        this.#refusal = message.reason;
        break;
      case 'pong':
        return;
      default: {
        const session = this.#linked.get(message.session);
        if (session === undefined) throw new Error(`an answer to session ${message.session}, which is none`);
        session.receive(message);
        this.#pumpSoon();
      }
    }
    this.waiters.changed();
  }

  #welcome({ version, epoch, allowance }: Extract<FromEngine, { kind: 'welcome' }>): void {
    if (this.#credits !== null) throw new Error('a second welcome');
    if (commonVersion(engineProtocol, { lowest: version, highest: version }) === null)
      throw new Error(`a welcome of version ${version}`);
    if (epoch !== this.#options.epoch)
      throw new Error(`a welcome of epoch ${epoch} to ${this.#options.epoch}`);
    this.#retryMs = firstRetryMs;
    this.#goodbye = null;
    this.#refusal = '';
    this.#credits = new Credits(allowance);
    for (const session of this.#sessions) this.#begin(session, this.#credits);
  }

  #begin(session: Session, credits: Credits): void {
    if (this.#linked.size >= credits.sessions) {
      session.notTaken(new EngineRefusal('EMFILE', 'the storage engine takes no more sessions'));
      return;
    }
    this.#lastSession = (this.#lastSession + 1) >>> 0;
    this.#linked.set(this.#lastSession, session);
    session.begin({ id: this.#lastSession, connection: this.#connection, credits });
  }

  /** Those that could not send before try again, once for all that was answered in this turn. */
  #pumpSoon(): void {
    if (this.#isPumpScheduled || this.#stalled.size === 0) return;
    this.#isPumpScheduled = true;
    queueMicrotask(() => {
      this.#isPumpScheduled = false;
      const stalled = this.#stalled;
      this.#stalled = new Set();
      for (const session of stalled) session.pump();
      this.waiters.changed();
    });
  }

  #ping(): void {
    if (this.#credits !== null) this.#connection.send({ kind: 'ping', number: 0 });
  }
}
