import { EventEmitter } from 'node:events';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, duplexPair, PassThrough } from 'node:stream';
import pino from 'pino';
import { Admission } from '../../../sftp-node/admission.ts';
import { EngineClient } from '../../../sftp-node/engine/engine-client.ts';
import { openHome } from '../../../sftp-node/home.ts';
import { Jail, type Place } from '../../../sftp-node/paths/jail.ts';
import { Handles } from '../../../sftp-node/sftp/handles.ts';
import { serveSftp } from '../../../sftp-node/sftp/session.ts';
import { WriteGate } from '../../../sftp-node/write-gate.ts';
import { RawSession } from '../../integration/sftp-node/raw-session.ts';
import { LeadingEngine } from './leading-engine.ts';

/** One SFTP session in this process, over a pipe: real files, engine, jail, gate and codec; no SSH, and a clock of the test's. */
export class SessionFixture {
  readonly base = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-session-')));
  readonly filesRoot = join(this.base, 'files');
  readonly home = join(this.filesRoot, 'alice');
  readonly clock = { now: 1000 };
  readonly lines: Record<string, unknown>[] = [];
  readonly audit = pino({ level: 'debug' }, { write: (line) => this.lines.push(JSON.parse(line)) });
  readonly engine = new LeadingEngine(
    this.base,
    join(this.base, 'engine.sock'),
    1,
    pino({ level: 'silent' }),
  );
  readonly client: EngineClient;
  readonly raw: RawSession;
  readonly gate: WriteGate;
  /** Called between the walk to a place and its use, as often as a place is used. */
  beforeUse: (place: Place) => void = () => {};
  hungUp = false;
  readonly #begun = Promise.withResolvers<void>();
  /** What the session ended with. */
  readonly ended: Promise<unknown>;

  static async open(): Promise<SessionFixture> {
    const session = new SessionFixture();
    await session.engine.start();
    await session.#begun.promise;
    // What is looked at begins behind the leadership's own record.
    session.engine.records.length = 0;
    return session;
  }

  private constructor() {
    mkdirSync(this.home, { recursive: true });
    this.gate = new WriteGate({
      epoch: 1,
      onOpen: () => this.client.waiters.changed(),
      onExpired: () => {},
      onDoubt: () => {},
      now: () => this.clock.now,
    });
    this.client = new EngineClient({
      path: this.engine.path,
      epoch: 1,
      door: 'test',
      log: pino({ level: 'silent' }),
      ownRefusal: () => (this.gate.isOpen ? '' : 'This host does not lead (any more): connect again'),
    });
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
    return this.engine.kinds;
  }

  async dispose(): Promise<void> {
    this.raw.channel.destroy();
    await this.ended;
    this.gate.shut();
    this.client.close();
    await this.engine.kill();
    rmSync(this.base, { recursive: true, force: true });
  }

  async #serve(channel: Duplex, client: Duplex): Promise<unknown> {
    const aborter = new AbortController();
    const hangUp = () => {
      this.hungUp = true;
      client.destroy();
      channel.destroy();
    };
    const home = await openHome(this.filesRoot, 'alice', this.client, aborter.signal, this.audit);
    await home.engine.begun();
    this.#begun.resolve();
    const tree = new Jail(this.filesRoot, '.');
    const jail = {
      with: (path: Buffer, how: { follow: boolean }, use: (place: Place) => unknown) =>
        home.jail.with(path, how, (place) => {
          this.beforeUse(place);
          return use(place);
        }),
      canonical: (path: Buffer) => home.jail.canonical(path),
    } as Jail;
    const context = {
      user: 'alice',
      jail,
      tree,
      handles: new Handles(),
      engine: home.engine,
      gate: this.gate,
      admission: new Admission(),
      linkFirst: false,
      audit: this.audit,
    };
    try {
      await serveSftp(
        { channel, socket: new PassThrough(), signal: aborter.signal, hangUp },
        context,
        this.audit,
      );
      return null;
    } catch (error) {
      hangUp();
      return error;
    } finally {
      aborter.abort();
      channel.destroy();
      home.jail.close();
      tree.close();
    }
  }
}
