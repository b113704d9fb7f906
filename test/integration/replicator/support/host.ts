import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { bootTimeMs } from '#contracts/boot-time.ts';
import type { HostAtRisk } from '#contracts/ipc/at-risk.ts';
import type { QuarantineAnswer, QuarantineRequest } from '#contracts/ipc/quarantine.ts';
import {
  type FromReplicator,
  fromReplicatorSchema,
  type Peer,
  type ReplicatorSettings,
  type ToReplicator,
} from '#contracts/ipc/replicator.ts';
import { commonRootId, rootIdsOf } from '#contracts/roots.ts';

export type Status = Extract<FromReplicator, { type: 'status' }>;
const program = join(import.meta.dirname, '../../../../replicator/main.ts');
const patienceMs = 20_000;

/** One host: a real replicator process, and the supervisor's part played by the test. */
export class Host {
  readonly nodeId: string;
  readonly root: string;
  readonly settings: ReplicatorSettings;
  readonly received: FromReplicator[] = [];
  /** How membership requests are answered; the in-sync set is the cluster's. */
  onMembership: (request: Extract<FromReplicator, { type: 'membership' }>) => void = () => {};
  publicKey = '';
  /** The identity of its roots. */
  rootId = '';
  port = 0;
  #requests = 0;
  #child: ChildProcess | null = null;
  #log = '';
  #wake: (() => void)[] = [];

  constructor(nodeId: string, root: string, settings: Partial<ReplicatorSettings> = {}) {
    this.nodeId = nodeId;
    this.root = join(root, nodeId);
    mkdirSync(this.root, { recursive: true });
    this.settings = {
      cluster: 'test',
      nodeId,
      listenAddress: '127.0.0.1',
      listenPort: 0,
      configRoot: join(this.root, 'config'),
      filesRoot: join(this.root, 'files'),
      stateRoot: join(this.root, 'state'),
      quarantineRoot: join(this.root, 'quarantine'),
      quarantineBounds: { maxBytes: { share: 0.1 }, maxAgeMs: 90 * 86_400_000, minFreeBytes: 0 },
      engineSocket: join(this.root, 'engine.sock'),
      mode: 'sync',
      strict: false,
      syncTimeoutMs: 3000,
      resyncBytesPerSecond: 1e9,
      maxRemovalShare: 0.2,
      logLevel: 'debug',
      ...settings,
    };
  }

  async start(): Promise<void> {
    this.#log = '';
    const child = fork(program, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    this.#child = child;
    const keep = (chunk: Buffer) => {
      this.#log += chunk.toString();
      this.#changed();
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    child.on('message', (raw) => {
      const message = fromReplicatorSchema.parse(raw);
      this.received.push(message);
      if (message.type === 'membership') this.onMembership(message);
      this.#changed();
    });
    child.on('exit', () => this.#changed());
    const before = this.received.length;
    this.send({ type: 'start', settings: this.settings });
    const ready = await this.until(`${this.nodeId} ready`, () =>
      this.received.slice(before).find((message) => message.type === 'ready' || message.type === 'failed'),
    );
    if (ready.type === 'failed') throw new Error(`${ready.code}: ${ready.message}`);
    if (ready.type !== 'ready') return;
    this.publicKey = ready.publicKey;
    this.port = ready.port;
    await this.#admit();
    // Comes back at the same port, as a real host does.
    this.settings.listenPort = ready.port;
  }

  /** What a supervisor does at the first start. */
  async #admit(): Promise<void> {
    const { roots } = await this.until('a status', () => this.status);
    if (commonRootId(roots) === null) await this.admitAnew();
    else this.rootId = String(commonRootId(roots));
  }

  /** What a supervisor does once the roots have proved what they hold. */
  async admitAnew(): Promise<void> {
    const { roots } = await this.until('a status', () => this.status);
    const before = commonRootId(roots);
    this.send({ type: 'admit', replaces: rootIdsOf(roots), at: 1 });
    this.rootId = await this.until('the identity of its roots', () => {
      const report = this.status?.roots;
      const id = report === undefined ? null : commonRootId(report);
      return id === before ? null : id;
    });
  }

  /**
   * What a supervisor says with each renewal of its lease, for as long as any test takes. Resolves when the gate is open:
   * what a door sends comes another way and could overtake the permit.
   */
  async permit(epoch: number): Promise<void> {
    this.send({ type: 'gate', permit: { epoch, validUntilMs: bootTimeMs() + 600_000 } });
    const id = ++this.#requests;
    this.send({ type: 'ping', id });
    await this.until('the permit to be read', () =>
      this.received.some((message) => message.type === 'pong' && message.id === id),
    );
  }

  send(message: ToReplicator): void {
    this.#child?.send(message, () => {});
  }

  /** What the replicator answers about its quarantine. */
  async askQuarantine(request: QuarantineRequest): Promise<QuarantineAnswer> {
    const requestId = ++this.#requests;
    this.send({ type: 'quarantine', requestId, request });
    return await this.until(`the answer to ${request.kind}`, () => {
      const found = this.received.find(
        (message) => message.type === 'quarantine-answer' && message.requestId === requestId,
      );
      return found?.type === 'quarantine-answer' ? found.answer : undefined;
    });
  }

  /** What it says other hosts may lack; null: it does not lead. */
  async askAtRisk(): Promise<HostAtRisk[] | null> {
    const requestId = ++this.#requests;
    this.send({ type: 'at-risk', requestId });
    return await this.until('the answer about files at risk', () => {
      const found = this.received.find(
        (message) => message.type === 'at-risk-answer' && message.requestId === requestId,
      );
      return found?.type === 'at-risk-answer' ? { hosts: found.hosts } : undefined;
    }).then(({ hosts }) => hosts);
  }

  asPeer(alive = true): Peer {
    const { nodeId, publicKey, port } = this;
    return { nodeId, address: '127.0.0.1', port, publicKey, alive };
  }

  get status(): Status | undefined {
    return this.received.findLast((message) => message.type === 'status');
  }

  get log(): string {
    return this.#log;
  }

  /** The most names of which it said at a time, since `forget`, that it does not know what they are. */
  get mostUncertain(): number {
    const told = this.received.map((message) => (message.type === 'status' ? message.resync : null));
    return Math.max(0, ...told.map((resync) => resync?.uncertainNames ?? 0));
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** The process ended by itself. */
  get hasEnded(): boolean {
    return this.#child?.exitCode != null;
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  /** Forgets the statuses so far, so that what is waited for is news. */
  forget(): void {
    this.received.length = 0;
  }

  /** Waits for what `look` finds, looking at each message and log line. */
  async until<Result>(what: string, look: () => Result | undefined | null | false): Promise<Result> {
    const deadline = Date.now() + patienceMs;
    while (true) {
      const found = look();
      if (found !== undefined && found !== null && found !== false) return found;
      if (Date.now() > deadline) {
        const status = JSON.stringify(this.status);
        throw new Error(`${this.nodeId}: waited in vain for ${what}\nstatus ${status}\n${this.#log}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        this.#wake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  #changed(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}
