import { EventEmitter } from 'node:events';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, duplexPair, PassThrough } from 'node:stream';
import pino from 'pino';
import type { Operation } from '#contracts/journal/operation.ts';
import { Admission } from '../../../sftp-node/admission.ts';
import type { Journal } from '../../../sftp-node/journal/journal.ts';
import { Mutations } from '../../../sftp-node/mutations.ts';
import { Jail, type Place } from '../../../sftp-node/paths/jail.ts';
import { Handles } from '../../../sftp-node/sftp/handles.ts';
import { serveSftp } from '../../../sftp-node/sftp/session.ts';
import { WriteGate } from '../../../sftp-node/write-gate.ts';
import { RawSession } from '../../integration/sftp-node/raw-session.ts';

/** A journal in memory: the test says when the peers have what was recorded. */
export class MemoryJournal implements Journal {
  readonly operations: { operation: Operation; durable: boolean }[] = [];
  acknowledges = true;
  readonly isFull = false;
  /** Called right after a change was made. */
  onRecord: () => void = () => {};
  #waiting: (() => void)[] = [];

  get lastSequence(): number {
    return this.operations.length;
  }

  record(operation: Operation, durable: boolean): number {
    this.onRecord();
    return this.operations.push({ operation, durable });
  }

  whenDurable(): Promise<void> {
    if (this.acknowledges) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** How many changes wait for their peers. */
  get waiting(): number {
    return this.#waiting.length;
  }

  acknowledgeAll(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  close(): void {}
}

/** One SFTP session in this process, over a pipe: real files, jail, gate and codec; no SSH, and a clock of the test's. */
export class SessionFixture {
  readonly base = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-session-')));
  readonly filesRoot = join(this.base, 'files');
  readonly home = join(this.filesRoot, 'alice');
  readonly clock = { now: 1000 };
  readonly journal = new MemoryJournal();
  readonly lines: Record<string, unknown>[] = [];
  readonly raw: RawSession;
  readonly gate: WriteGate;
  readonly mutations: Mutations;
  /** Called between the walk to a place and its use, as often as a place is used. */
  beforeUse: (place: Place) => void = () => {};
  hungUp = false;
  /** What the session ended with. */
  readonly ended: Promise<unknown>;
  readonly #jail: Jail;

  constructor() {
    mkdirSync(this.home, { recursive: true });
    this.#jail = new Jail(this.filesRoot, 'alice');
    this.gate = new WriteGate({
      epoch: 1,
      onOpen: () => this.mutations.wake(),
      onExpired: () => {},
      onDoubt: () => {},
      now: () => this.clock.now,
    });
    this.mutations = new Mutations({ gate: this.gate, handles: () => [], waitsForPeers: true });
    this.mutations.writeTo(this.journal);
    this.openGate();
    const [ours, theirs] = duplexPair();
    this.ended = this.#serve(ours, theirs);
    const client = new EventEmitter();
    theirs.once('close', () => client.emit('close'));
    this.raw = new RawSession({ client: client as never, channel: theirs as never });
  }

  openGate(): void {
    this.gate.permit({ epoch: 1, validUntilMs: this.clock.now + 10_000 });
  }

  /** The permit has ended; no timer has noticed. */
  expireGate(): void {
    this.clock.now += 1_000_000;
  }

  at(path: string): string {
    return join(this.home, path);
  }

  get kinds(): string[] {
    return this.journal.operations.map(({ operation }) => operation.kind);
  }

  async dispose(): Promise<void> {
    this.raw.channel.destroy();
    await this.ended;
    this.gate.shut();
    this.#jail.close();
    rmSync(this.base, { recursive: true, force: true });
  }

  async #serve(channel: Duplex, client: Duplex): Promise<unknown> {
    const aborter = new AbortController();
    const audit = pino({ level: 'debug' }, { write: (line) => this.lines.push(JSON.parse(line)) });
    const hangUp = () => {
      this.hungUp = true;
      client.destroy();
      channel.destroy();
    };
    const jail = {
      with: (path: Buffer, how: { follow: boolean }, use: (place: Place) => unknown) =>
        this.#jail.with(path, how, (place) => {
          this.beforeUse(place);
          return use(place);
        }),
      canonical: (path: Buffer) => this.#jail.canonical(path),
    } as Jail;
    const context = {
      user: 'alice',
      jail,
      handles: new Handles(),
      mutations: this.mutations,
      admission: new Admission(),
      linkFirst: false,
      audit,
    };
    try {
      await serveSftp({ channel, socket: new PassThrough(), signal: aborter.signal, hangUp }, context, audit);
      return null;
    } catch (error) {
      hangUp();
      return error;
    } finally {
      aborter.abort();
      channel.destroy();
    }
  }
}
