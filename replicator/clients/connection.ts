import type { Socket } from 'node:net';
import { FormatError } from '#contracts/bytes.ts';
import { encodeFromEngine } from '#contracts/engine/from-engine.ts';
import type { Allowance } from '#contracts/engine/limits.ts';
import type { GoodbyeCode, SessionRequest, ToEngine } from '#contracts/engine/message.ts';
import { decodeToEngine } from '#contracts/engine/to-engine.ts';
import { commonVersion, engineProtocol } from '#contracts/engine/version.ts';
import { messageOf } from '#contracts/errors.ts';
import { deadline } from '#contracts/lateness.ts';
import type { Logger } from '#contracts/log.ts';
import { BlockPool } from './block.ts';
import { type Arrival, BlockReader } from './block-reader.ts';
import { ownCopy } from './held-request.ts';
import { ConnectionLoad } from './load.ts';
import { Outgoing } from './outgoing.ts';
import type { Engine } from './ports.ts';
import { ProtocolError } from './protocol-error.ts';
import { type AcceptedRequest, Session } from './session.ts';

/** A door that does not take its goodbye is hung up on. */
const goodbyePatienceMs = 1000;

export interface ConnectionParts {
  readonly engine: Engine;
  /** Under which the engine leads; null: it does not. */
  readonly epoch: () => number | null;
  /** Why no change is made now; empty: they are. */
  readonly refusal: () => string;
  readonly allowance: Allowance;
  readonly blocks: number;
  readonly helloPatienceMs: number;
  readonly log: Logger;
  readonly onClosed: (connection: Connection) => void;
}

/** One process of a door. */
export class Connection {
  readonly #parts: ConnectionParts;
  readonly #reader: BlockReader;
  readonly #socket: Socket;
  readonly #outgoing: Outgoing;
  readonly #sessions = new Map<number, Session>();
  /** Those whose end the engine has not been told. */
  readonly #unended = new Set<Session>();
  readonly #load: ConnectionLoad;
  readonly #cancelHelloDeadline: () => void;
  /** Of requests that wait for a session that is paused. */
  #heldBytes = 0;
  #door = '';
  #isWelcome = false;
  #isOver = false;

  constructor(accepted: Socket, parts: ConnectionParts) {
    this.#parts = parts;
    this.#load = new ConnectionLoad(parts.allowance);
    this.#reader = new BlockReader(accepted, {
      pool: new BlockPool(parts.blocks),
      onArrival: (arrival) => this.#arrived(arrival),
      isHeld: () => this.#outgoing.isFull || this.#holdsTooMuch,
      onBroken: (error) => this.#broken(error),
    });
    this.#socket = this.#reader.socket;
    this.#outgoing = new Outgoing({
      socket: this.#socket,
      gate: parts.engine,
      onGateShut: () => this.end('gate-shut', 'the write gate shut before an acknowledgement left'),
      onRoom: () => this.#reader.look(),
    });
    this.#cancelHelloDeadline = deadline(parts.helloPatienceMs, () => this.#socket.destroy());
    this.#socket.on('error', (error) => parts.log.debug({ reason: error.message }, 'a door broke off'));
    this.#socket.on('close', () => this.#closed());
    this.#reader.look();
  }

  /** Tells the door whether changes are refused. */
  tellRefusal(): void {
    if (!this.#isWelcome || this.#isOver) return;
    this.#outgoing.send({ kind: 'refusing', reason: this.#parts.refusal() }, { acknowledges: false });
  }

  /** Nothing more is taken from this door, and nothing but the reason told to it. */
  end(code: GoodbyeCode, sentence: string): void {
    if (this.#isOver) return;
    this.#leaveSessions();
    this.#parts.log.warn({ door: this.#door, goodbye: code, reason: sentence }, 'a door is sent away');
    this.#socket.end(encodeFromEngine({ kind: 'goodbye', code, sentence }));
    const cancel = deadline(goodbyePatienceMs, () => this.#socket.destroy());
    this.#socket.once('close', cancel);
    this.#reader.discard();
  }

  get #holdsTooMuch(): boolean {
    return this.#heldBytes > this.#parts.allowance.connectionCreditBytes * 2;
  }

  #broken(error: unknown): void {
    if (error instanceof ProtocolError) this.end(error.code, error.message);
    else if (error instanceof FormatError) this.end('malformed', error.message);
    else {
      this.#parts.log.error({ err: error }, 'a turn failed');
      this.end('malformed', messageOf(error));
    }
  }

  #closed(): void {
    this.#cancelHelloDeadline();
    this.#leaveSessions();
    this.#reader.release();
    this.#parts.onClosed(this);
  }

  /** The engine closes their handles. */
  #leaveSessions(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const sessions = [...this.#unended];
    for (const session of this.#sessions.values()) session.leave();
    for (const session of sessions) session.leave();
    this.#sessions.clear();
    this.#submit(
      sessions.map((session) => ({ session, request: { kind: 'end-session' }, settle: () => {} })),
      () => () => {},
    );
  }

  #arrived({ frames, block }: Arrival): void {
    if (this.#isOver) return;
    this.#outgoing.turn(() => {
      const requests: AcceptedRequest[] = [];
      const retain = () => {
        block.use();
        return () => block.release();
      };
      try {
        for (const frame of frames) {
          const request = this.#receive(decodeToEngine(frame), frame.body.length);
          if (request !== null) requests.push(request);
        }
      } finally {
        // Also what came before a frame that is none: the engine must not hear of the end of what it never heard of.
        this.#submit(requests, retain);
      }
    });
  }

  #submit(requests: readonly AcceptedRequest[], retain: () => () => void): void {
    if (requests.length === 0) return;
    for (const { session, request } of requests)
      if (request.kind === 'end-session') this.#unended.delete(session);
    this.#parts.engine.submit({ requests, retain });
  }

  /** null when there is nothing for the engine to do, or not yet. */
  #receive(message: ToEngine, bytes: number): AcceptedRequest | null {
    if (message.kind === 'hello') {
      this.#greet(message);
      return null;
    }
    if (!this.#isWelcome) throw new ProtocolError('malformed', `${message.kind} where hello belongs`);
    if (message.kind === 'ping') {
      this.#outgoing.send({ kind: 'pong', number: message.number }, { acknowledges: false });
      return null;
    }
    const session = this.#sessionOf(message);
    const request = session.accept(message);
    if (message.kind === 'end-session') this.#sessions.delete(session.id);
    if (request === null || !session.isHolding) return request;
    this.#heldBytes += bytes;
    session.hold(ownCopy(request), bytes);
    return null;
  }

  #greet(hello: Extract<ToEngine, { kind: 'hello' }>): void {
    if (this.#isWelcome) throw new ProtocolError('malformed', 'a second hello');
    const version = commonVersion(engineProtocol, hello.versions);
    if (version === null) {
      const { lowest, highest } = hello.versions;
      throw new ProtocolError('version', `the door speaks versions ${lowest} to ${highest}`);
    }
    const epoch = this.#parts.epoch();
    if (epoch === null) throw new ProtocolError('epoch', 'this engine does not lead');
    if (epoch !== hello.epoch)
      throw new ProtocolError('epoch', `the door is of epoch ${hello.epoch}, the engine of ${epoch}`);
    this.#cancelHelloDeadline();
    this.#door = hello.door;
    this.#isWelcome = true;
    const { allowance } = this.#parts;
    this.#outgoing.send({ kind: 'welcome', version, epoch, allowance }, { acknowledges: false });
    if (this.#parts.refusal() !== '') this.tellRefusal();
  }

  #sessionOf(message: SessionRequest): Session {
    const id = message.session;
    const known = this.#sessions.get(id);
    if (message.kind !== 'begin-session') {
      if (known === undefined) throw new ProtocolError('malformed', `session ${id} has not begun`);
      return known;
    }
    if (known !== undefined) throw new ProtocolError('malformed', `session ${id} began twice`);
    if (this.#sessions.size >= this.#parts.allowance.sessions)
      throw new ProtocolError('beyond-allowance', 'too many sessions');
    const { root, ...grant } = message.grant;
    const begin = { id, grant: { ...grant, root: Buffer.from(root) }, door: this.#door };
    const session: Session = new Session(begin, {
      allowance: this.#parts.allowance,
      outgoing: this.#outgoing,
      connectionLoad: this.#load,
      onResumed: () => setImmediate(() => this.#submitHeld(session)),
      onRefused: () => {
        this.#sessions.delete(id);
        this.#unended.delete(session);
      },
    });
    this.#sessions.set(id, session);
    this.#unended.add(session);
    return session;
  }

  #submitHeld(session: Session): void {
    if (session.isPaused) return;
    const { requests, bytes } = session.takeHeld();
    this.#heldBytes -= bytes;
    this.#outgoing.turn(() => this.#submit(requests, () => () => {}));
    this.#reader.look();
  }
}
