import pino from 'pino';
import type { Change, ChangedAttributes } from '#contracts/engine/message.ts';
import type { ReplicatorSettings } from '#contracts/ipc/replicator.ts';
import { EngineClient } from '../../../../sftp-node/engine/engine-client.ts';
import type { EngineSession } from '../../../../sftp-node/engine/ports.ts';

type Plain = Exclude<Change, { kind: 'open' }>;

/**
 * A door with one client, who has all of the files root: what it asks for is asked in the order of the calls, without
 * waiting for the answers before.
 */
export class Door {
  readonly #client: EngineClient;
  readonly #session: EngineSession;
  /** What was asked for, and what of it was answered: durable, as far as it must be. */
  asked = 0;
  answered = 0;
  readonly failures: unknown[] = [];
  /** By the number that the test knows: the engine's. */
  readonly #handles = new Map<number, number>();
  #nextHandle = 1;
  #asking: Promise<void> = Promise.resolve();

  static async connect(settings: ReplicatorSettings, epoch: number): Promise<Door> {
    const client = new EngineClient({
      path: settings.engineSocket,
      epoch,
      door: 'test',
      log: pino({ level: 'silent' }),
    });
    const grant = { root: Buffer.alloc(0), makeRoot: null, mayChange: true, account: '' };
    try {
      return new Door(client, await client.beginSession(grant, { patienceMs: 10_000 }));
    } catch (error) {
      client.close();
      throw error;
    }
  }

  private constructor(client: EngineClient, session: EngineSession) {
    this.#client = client;
    this.#session = session;
  }

  get refusal(): string {
    return this.#client.refusal;
  }

  /** The engine went away while something was open or unanswered (H1). */
  get isLost(): boolean {
    return this.#session.lost.aborted;
  }

  close(): void {
    this.#client.close();
  }

  /** Everything so far is acknowledged. @throws what failed first */
  async settled(): Promise<void> {
    await this.#asking;
    await this.until(() => this.answered >= this.asked);
    if (this.failures.length > 0) throw this.failures[0];
  }

  async until(what: () => boolean): Promise<void> {
    const deadline = Date.now() + 20_000;
    while (!what()) {
      if (Date.now() > deadline) throw new Error(`the door waited in vain: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  create(path: string, mode = 0o644): number {
    return this.#open(path, { create: true, truncate: true }, mode);
  }

  openExisting(path: string): number {
    return this.#open(path, { create: false, truncate: false }, 0);
  }

  write(handle: number, offset: number, data: Buffer): void {
    this.#ask(async () => {
      const { length } = data;
      for (let at = 0; at < length || at === 0; at += 256 * 1024) {
        while (!this.#session.hasCredit) await this.#session.credit();
        const piece = data.subarray(at, at + 256 * 1024);
        const last = at + piece.length >= length;
        const made = this.#session.write({
          handle: this.#engineHandle(handle),
          offset: offset + at,
          data: piece,
          last,
        });
        if (made !== null) return made;
      }
      throw new Error('the last piece is not the last');
    });
  }

  truncate(handle: number, size: number): void {
    this.#change(() => ({
      kind: 'set-handle-attributes',
      handle: this.#engineHandle(handle),
      attributes: { size },
    }));
  }

  closeFile(handle: number): void {
    this.#change(() => ({ kind: 'close', handle: this.#engineHandle(handle) }));
  }

  put(path: string, content: Buffer | string): void {
    const handle = this.create(path);
    this.write(handle, 0, Buffer.from(content));
    this.closeFile(handle);
  }

  rename(from: string, to: string): void {
    this.#change(() => ({ kind: 'rename', from: Buffer.from(from), to: Buffer.from(to), replace: true }));
  }

  remove(path: string): void {
    this.#change(() => ({ kind: 'remove', path: Buffer.from(path) }));
  }

  mkdir(path: string): void {
    this.#change(() => ({ kind: 'mkdir', path: Buffer.from(path), mode: 0o755 }));
  }

  rmdir(path: string): void {
    this.#change(() => ({ kind: 'rmdir', path: Buffer.from(path) }));
  }

  symlink(target: string, path: string): void {
    this.#change(() => ({ kind: 'symlink', path: Buffer.from(path), target: Buffer.from(target) }));
  }

  link(existing: string, path: string): void {
    this.#change(() => ({ kind: 'link', existing: Buffer.from(existing), path: Buffer.from(path) }));
  }

  setAttributes(path: string, attributes: ChangedAttributes): void {
    this.#change(() => ({ kind: 'set-attributes', path: Buffer.from(path), follow: true, attributes }));
  }

  #open(path: string, flags: { create: boolean; truncate: boolean }, mode: number): number {
    const number = this.#nextHandle++;
    this.#ask(async () => {
      const all = { read: false, write: true, append: false, exclusive: false, ...flags };
      const opened = await this.#session.open({ kind: 'open', path: Buffer.from(path), flags: all, mode });
      this.#handles.set(number, opened.handle);
      return Promise.resolve();
    });
    return number;
  }

  #change(change: () => Plain): void {
    this.#ask(async () => {
      const answer = this.#session.change(change());
      return { answer };
    });
  }

  /** @param ask resolves when what comes next may be asked for; with `answer`, that is not waited for */
  #ask(ask: () => Promise<unknown>): void {
    this.asked += 1;
    const done = () => {
      this.answered += 1;
    };
    const failed = (error: unknown) => {
      this.failures.push(error);
      done();
    };
    this.#asking = this.#asking.then(async () => {
      try {
        if (!this.#session.permitted) await this.#session.permission({ patienceMs: 10_000 });
        const result = await ask();
        const answer = (result as { answer?: Promise<unknown> } | undefined)?.answer;
        if (answer === undefined) done();
        else answer.then(done, failed);
      } catch (error) {
        failed(error);
      }
    });
  }

  #engineHandle(handle: number): number {
    const known = this.#handles.get(handle);
    if (known === undefined) throw new Error(`handle ${handle} is not open`);
    return known;
  }
}
