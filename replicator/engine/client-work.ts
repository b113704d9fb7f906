import { fstatSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { DirtyFile, FlushScope } from '../apply/dirty-files.ts';
import { ErrnoError } from '../apply/errno.ts';
import type { Preconditions } from '../apply/preconditions.ts';
import type { Resolver } from '../apply/resolver.ts';
import type { ClientRequest, ClientSession, Engine, Turn } from '../clients/ports.ts';
import type { LogRecord } from '../core/record.ts';
import type { WriteData } from '../peers/ports.ts';
import { ClientChanges } from './client-changes.ts';
import { ClientSessions, type SessionHandle } from './client-sessions.ts';
import { prepareTurn } from './expected-changes.ts';
import type { Leading } from './leading.ts';
import { refusal, refusalOf } from './refusal.ts';
import type { Store } from './store.ts';

/** The write gate (H2): it shuts by itself, so it is asked each time. */
export interface Gate {
  readonly mayChange: boolean;
  readonly mayAcknowledge: boolean;
}

/** The hosts that follow, as clients have to do with them. */
export interface Followers {
  /**
   * Resolves when what was ordered last, the batch that ends here, is on the disks of those hosts that must have it (G3).
   * Rejects when that will never be known. To be called before anything else is ordered.
   */
  durable(sequence: number): Promise<void>;
  /** One of them lacks so much that clients are to wait, until `onRoom`. */
  readonly isFull: boolean;
  /** What is ordered now is kept to be sent: its data must not change afterwards. */
  readonly keepsData: boolean;
}

export interface ClientWorkOptions {
  readonly store: Store;
  readonly leading: Leading;
  readonly resolver: Resolver;
  readonly preconditions: Preconditions;
  readonly gate: Gate;
  readonly followers: Followers;
  /** Called when more bytes may be written, or a follower has caught up. @returns ends it */
  readonly onRoom: (proceed: () => void) => () => void;
  readonly onFatal: (error: unknown) => void;
}

type RequestOf<Kind extends ClientRequest['request']['kind']> = ClientRequest & {
  readonly request: Extract<ClientRequest['request'], { kind: Kind }>;
};

/** How long requests wait for a gate that is shut, all of them together; as a door waits for its engine. */
const gatePatienceMs = 2000;
const lookMs = 5;

interface WaitingWrite {
  readonly client: ClientRequest;
  readonly record: LogRecord;
  readonly data: Buffer;
  readonly size?: number;
}

/**
 * What clients ask of a leadership, one turn after the other: resolved, looked at, logged, streamed, made, and said to be
 * durable when it is. Writes of a turn that follow each other are one batch. What waits for a disk before its change (P1)
 * does so for all of its turn; those behind it wait with it, and nobody waits for what a barrier waits for.
 */
export class ClientWork implements Engine {
  readonly #options: ClientWorkOptions;
  readonly #store: Store;
  readonly #changes: ClientChanges;
  readonly #sessions = new ClientSessions();
  readonly #queue: { readonly turn: Turn; readonly release: (() => void) | null }[] = [];
  /** Those that wrote more than may wait for the disk, with the file. */
  readonly #paused = new Map<ClientSession, number>();
  readonly #endRoom: () => void;
  #writes: WaitingWrite[] = [];
  #isRunning = false;
  /** While the gate is shut: until then requests wait for it. */
  #waitsUntilMs: number | null = null;
  #hasEnded = false;

  constructor(options: ClientWorkOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#changes = new ClientChanges(options.store, options.resolver, options.preconditions);
    this.#endRoom = options.onRoom(() => this.#resume());
  }

  get mayAcknowledge(): boolean {
    return !this.#hasEnded && this.#options.gate.mayAcknowledge;
  }

  submit(turn: Turn): void {
    this.#queue.push({ turn, release: this.#isRunning ? turn.retain() : null });
    if (!this.#isRunning) void this.#run();
  }

  /** The leadership is over: nothing is changed, or acknowledged, any more. */
  end(): void {
    this.#hasEnded = true;
    this.#endRoom();
    for (const session of this.#paused.keys()) session.resume();
    this.#paused.clear();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const { turn } = next;
      let { release } = next;
      try {
        if (this.#mayChange) this.#waitsUntilMs = null;
        else if (turn.requests.some(({ request }) => needsGate(request))) {
          release ??= turn.retain();
          await this.#gateOpens();
        }
        if (this.#mayChange && this.#prepare(turn)) {
          release ??= turn.retain();
          await this.#store.flushLog();
        }
        for (const request of turn.requests) this.#carryOut(request);
        this.#orderWrites();
      } catch (error) {
        this.#fail(error, turn);
      } finally {
        this.#store.activity.forgetPrepared();
        release?.();
      }
      this.#store.checkpointWhenDue();
      this.#store.noteSoon();
    }
    this.#isRunning = false;
  }

  /**
   * The gate of a process that is new, or that was to hand over and did not, opens with the next renewal of the lease:
   * clients wait for it, for a while.
   */
  async #gateOpens(): Promise<void> {
    this.#waitsUntilMs ??= performance.now() + gatePatienceMs;
    while (!this.#mayChange && !this.#hasEnded && performance.now() < this.#waitsUntilMs) await delay(lookMs);
    if (this.#mayChange) this.#waitsUntilMs = null;
  }

  get #mayChange(): boolean {
    return !this.#hasEnded && this.#options.gate.mayChange;
  }

  #prepare({ requests }: Turn): boolean {
    return prepareTurn(this.#store, this.#options.resolver, this.#sessions, requests);
  }

  #carryOut(client: ClientRequest): void {
    const { request } = client;
    if (request.kind === 'write') {
      this.#write(client as RequestOf<'write'>);
      return;
    }
    this.#orderWrites();
    try {
      if (!this.#mayChange && needsGate(request)) throw new ErrnoError('EAGAIN', 'the gate is shut');
      this.#change(client);
    } catch (error) {
      this.#refuse(client, error);
    }
  }

  #change(client: ClientRequest): void {
    const { session, request } = client;
    switch (request.kind) {
      case 'begin-session':
        this.#beginSession(client as RequestOf<'begin-session'>);
        return;
      case 'end-session':
        this.#endSession(client);
        return;
      case 'read-barrier':
        client.settle({ kind: 'done', durable: false, paths: [] });
        return;
      case 'write':
        return;
      case 'append':
        this.#append(client as RequestOf<'append'>);
        return;
      case 'open':
        this.#open(client as RequestOf<'open'>);
        return;
      case 'close': {
        const handle = this.#handle(session, request.handle);
        this.#sessions.closed(session, request.handle);
        this.#close(client, handle);
        return;
      }
      case 'sync': {
        const { handle } = this.#handle(session, request.handle);
        this.#settleWhenDurable(client, [], this.#order([{ kind: 'sync', handle }]));
        return;
      }
      case 'set-handle-attributes': {
        const handle = this.#handle(session, request.handle);
        const scope = this.#order([this.#changes.setHandle(handle.handle, request.attributes)]);
        handle.isChanged = true;
        this.#settleWhenDurable(client, [], scope);
        return;
      }
      default: {
        const { records, paths } = this.#changes.byPath(session, request);
        if (records.length === 0) client.settle({ kind: 'done', durable: false, paths });
        else this.#settleWhenDurable(client, paths, this.#order(records));
      }
    }
  }

  #beginSession(client: RequestOf<'begin-session'>): void {
    const { root, makeRoot } = client.request.grant;
    const records = this.#changes.root(Buffer.from(root), makeRoot);
    for (const record of records) this.#order([record]);
    this.#sessions.begin(client.session);
    client.settle({ kind: 'begun', made: records.length });
  }

  /** What it left open is closed as by the client; where nothing may be changed, the next leadership closes it. */
  #endSession(client: ClientRequest): void {
    this.#paused.delete(client.session);
    const left = this.#sessions.end(client.session);
    if (!this.#mayChange || left.length === 0) {
      client.settle({ kind: 'done', durable: false, paths: [] });
      return;
    }
    this.#settleWhenDurable(client, [], this.#order(left.flatMap((handle) => this.#changes.close(handle))));
  }

  #open(client: RequestOf<'open'>): void {
    const { session, request } = client;
    const record = this.#changes.open(session, request.path, request.flags, request.mode);
    this.#order([record]);
    const file = this.#store.fileOf(record.handle);
    if (file == null) throw new ErrnoError('EIO', 'the file could not be opened');
    const { dev, ino, size } = fstatSync(file.fd, { bigint: true });
    client.settle({
      kind: 'opened',
      handle: this.#sessions.opened(session, record.handle, record.created || record.truncate),
      path: record.path,
      created: record.created,
      device: dev,
      inode: ino,
      size: Number(size),
    });
  }

  #close(client: ClientRequest, handle: SessionHandle): void {
    const scope = this.#order(this.#changes.close(handle));
    if (handle.isChanged) this.#settleWhenDurable(client, [], scope);
    else client.settle({ kind: 'done', durable: false, paths: [] });
  }

  #write(client: RequestOf<'write'>): void {
    const { request, session } = client;
    try {
      if (!this.#mayChange) throw new ErrnoError('EAGAIN', 'the gate is shut');
      const { handle } = this.#handle(session, request.handle);
      const record = this.#changes.write(handle, request.offset, request.data.length);
      this.#writes.push({ client, record, data: request.data });
    } catch (error) {
      this.#refuse(client, error);
    }
  }

  #append(client: RequestOf<'append'>): void {
    const { request, session } = client;
    const { handle } = this.#handle(session, request.handle);
    const end = this.#changes.endOf(handle);
    const { length } = request.data;
    const record = this.#changes.write(handle, end, length);
    this.#writes.push({ client, record, data: request.data, size: end + length });
    this.#orderWrites();
  }

  /** Writes that followed each other, as one batch. */
  #orderWrites(): void {
    const writes = this.#writes;
    if (writes.length === 0) return;
    this.#writes = [];
    try {
      this.#order(
        writes.map(({ record }) => record),
        writes.map(({ data }) => (this.#options.followers.keepsData ? Buffer.from(data) : data)),
      );
    } catch (error) {
      for (const { client } of writes) this.#refuse(client, error);
      return;
    }
    for (const { client, size } of writes) {
      this.#wrote(client as RequestOf<'write'>);
      client.settle(size === undefined ? { kind: 'written' } : { kind: 'written', size });
    }
  }

  #wrote({ session, request }: RequestOf<'write' | 'append'>): void {
    const handle = this.#sessions.find(session, request.handle);
    if (handle === null) return;
    handle.isChanged = true;
    const file = this.#store.fileOf(handle.handle);
    if (file == null || this.#hasRoom(file) || this.#paused.has(session)) return;
    this.#paused.set(session, handle.handle);
    session.pause();
  }

  #hasRoom(file: DirtyFile): boolean {
    return this.#store.flusher.roomFor(file) > 0 && !this.#options.followers.isFull;
  }

  #resume(): void {
    for (const [session, handle] of [...this.#paused]) {
      const file = this.#store.fileOf(handle);
      if (file != null && !this.#hasRoom(file)) continue;
      this.#paused.delete(session);
      session.resume();
    }
  }

  /**
   * Logs, streams and makes. @returns what a barrier flushes
   * @throws ErrnoError EIO when it was logged and could not be made: what it names is suspect
   */
  #order(records: readonly LogRecord[], data: WriteData = []): FlushScope {
    const { leading } = this.#options;
    const made = leading.order(records, data);
    const scope = this.#store.tree.takeScope();
    if (!made) throw new ErrnoError('EIO', 'the change failed half way');
    return scope;
  }

  /** Where it must be and here, side by side (P3). To be called in the turn in which it was ordered. */
  #settleWhenDurable(client: ClientRequest, paths: readonly Buffer[], scope: FlushScope): void {
    const { sequence } = this.#store.log.position;
    Promise.all([this.#options.followers.durable(sequence), this.#store.barrier(scope)]).then(
      () => {
        if (this.mayAcknowledge) client.settle({ kind: 'done', durable: true, paths });
        else client.settle(refusal('EIO'));
      },
      () => client.settle(refusal('EIO')),
    );
  }

  #handle(session: ClientSession, number: number): SessionHandle {
    const handle = this.#sessions.find(session, number);
    if (handle === null) throw new ErrnoError('EBADF', 'no such handle');
    return handle;
  }

  #refuse({ request, settle }: ClientRequest, error: unknown): void {
    const refused = refusalOf(error);
    if (refused === null) throw error;
    const { errno, sentence } = refused;
    const isWrite = request.kind === 'write' || request.kind === 'append';
    settle(isWrite ? { kind: 'write-refused', written: 0, errno, sentence } : refused);
  }

  /** The engine is to be given up; settling what was settled does nothing. */
  #fail(error: unknown, { requests }: Turn): void {
    this.end();
    this.#writes = [];
    const { errno, sentence } = refusal('EIO');
    for (const { request, settle } of requests) {
      const isWrite = request.kind === 'write' || request.kind === 'append';
      settle(isWrite ? { kind: 'write-refused', written: 0, errno, sentence } : refusal('EIO'));
    }
    this.#options.onFatal(error);
  }
}

function needsGate({ kind }: ClientRequest['request']): boolean {
  return kind !== 'read-barrier' && kind !== 'end-session';
}
