import { join } from 'node:path';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import type { Epoch, NodeId } from '#contracts/identities.ts';
import type { Held, HostAtRisk } from '#contracts/ipc/at-risk.ts';
import type { QuarantineAnswer, QuarantineRequest, QuarantineSummary } from '#contracts/ipc/quarantine.ts';
import {
  type FromReplicator,
  fromReplicatorSchema,
  type Peer,
  type PeerProgress,
  type ReplicatorSettings,
  type ToReplicator,
} from '#contracts/ipc/replicator.ts';
import type { Logger } from '#contracts/log.ts';
import type { Config } from '../../config/schema.ts';
import type {
  HealthFact,
  MembershipRequest,
  ReplicatorControl,
  ReplicatorReports,
  ReplicatorStatus,
  ResyncReport,
} from '../../runtime/ports.ts';
import { Child, compileCacheOf } from './child.ts';
import { Questions } from './questions.ts';
import { ResyncPace } from './resync-pace.ts';

type Pong = Extract<FromReplicator, { type: 'pong' }>;
type Answer = Extract<FromReplicator, { type: 'quarantine-answer' | 'at-risk-answer' }>;
type RoleOrder = Extract<ToReplicator, { type: 'lead' | 'follow' | 'idle' }>;

/** The first pause before a replicator that died is started again; it doubles up to the last. */
const firstRestartMs = 100;
const lastRestartMs = 5000;

/** The replicator process: always running, started again when it dies, and told again what it is. */
export class ReplicatorProcess implements ReplicatorControl {
  readonly #config: Config;
  readonly #reports: ReplicatorReports;
  readonly #log: Logger;
  #child: Child<typeof fromReplicatorSchema> | null = null;
  #role: RoleOrder = { type: 'idle' };
  #peers: Peer[] = [];
  #restartMs = firstRestartMs;
  #closed = false;
  readonly #questions = new Questions<Answer>();
  readonly #onLate: (byMs: number) => void;
  status: ReplicatorStatus | null = null;
  readonly #resync = new ResyncPace();
  #answer: Pong | null = null;

  /** @param onLate the process stood still for so long */
  constructor(config: Config, reports: ReplicatorReports, log: Logger, onLate: (byMs: number) => void) {
    this.#config = config;
    this.#reports = reports;
    this.#log = log;
    this.#onLate = onLate;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Asks its control lane: EngineQuestions of the health checks. */
  ask(id: number): void {
    this.#child?.send({ type: 'ping', id });
  }

  get answer(): Pong | null {
    return this.#answer;
  }

  get followers(): readonly PeerProgress[] {
    return this.status?.peers ?? [];
  }

  get quarantine(): QuarantineSummary | null {
    return this.status?.quarantine ?? null;
  }

  get failedFiles(): ReplicatorStatus['failedFiles'] {
    return this.status?.failedFiles ?? null;
  }

  get resync(): ResyncReport | null {
    return this.#resync.report;
  }

  get configFacts(): HealthFact[] {
    const problems = this.status?.configProblems ?? [];
    return problems.map(({ path, code, sentence }) => ({
      name: path,
      level: 'warn',
      code,
      detail: sentence,
    }));
  }

  start(): void {
    this.#child = new Child({
      name: 'replicator',
      compileCache: compileCacheOf(this.#config),
      schema: fromReplicatorSchema,
      onMessage: (message) => this.#receive(message),
      onExit: ({ how }) => this.#exited(how),
      log: this.#log,
    });
    this.#child.send({ type: 'start', settings: settingsOf(this.#config) });
  }

  tellPeers(peers: Peer[]): void {
    if (JSON.stringify(peers) === JSON.stringify(this.#peers)) return;
    this.#peers = peers;
    this.#child?.send({ type: 'peers', peers });
  }

  tellRole(role: RoleOrder): void {
    this.#role = role;
    this.#child?.send(role);
  }

  /** A process that starts anew is permitted nothing before the next renewal of the lease (H1). */
  openGate(epoch: Epoch, validUntilMs: number): void {
    this.#child?.send({ type: 'gate', permit: { epoch, validUntilMs } });
  }

  shutGate(): void {
    this.#child?.send({ type: 'shut-gate' });
  }

  handOff(_epoch: Epoch, target: NodeId): void {
    this.#child?.send({ type: 'hand-off', target });
  }

  admit(replaces: string, at: number): void {
    this.#child?.send({ type: 'admit', replaces, at });
  }

  replaceFailedFiles(): void {
    this.#child?.send({ type: 'replace-failed-files' });
  }

  acceptRemoval(files: number): void {
    this.#child?.send({ type: 'accept-removal', files });
  }

  async askQuarantine(request: QuarantineRequest): Promise<QuarantineAnswer> {
    const answer = await this.#question((requestId) => ({ type: 'quarantine', requestId, request }));
    if (answer.type !== 'quarantine-answer') throw new Error(`an answer of another kind: ${answer.type}`);
    return answer.answer;
  }

  async askAtRisk(): Promise<HostAtRisk[] | null> {
    const answer = await this.#question((requestId) => ({ type: 'at-risk', requestId }));
    if (answer.type !== 'at-risk-answer') throw new Error(`an answer of another kind: ${answer.type}`);
    return answer.hosts;
  }

  tellHeld(held: Held[]): void {
    this.#child?.send({ type: 'held', held });
  }

  async #question(message: (requestId: number) => ToReplicator): Promise<Answer> {
    const child = this.#child;
    if (child === null)
      throw new HoldfastError('REPLICATOR_DOWN', 'the replicator of this host does not run');
    return await this.#questions.ask((requestId) => child.send(message(requestId)));
  }

  kill(): void {
    this.#child?.kill();
  }

  close(): void {
    this.#closed = true;
    this.kill();
  }

  #receive(message: FromReplicator): void {
    switch (message.type) {
      case 'ready':
        this.#restartMs = firstRestartMs;
        this.#reports.ready(message.publicKey);
        this.#child?.send({ type: 'peers', peers: this.#peers });
        this.#child?.send(this.#role);
        return;
      case 'failed':
        this.#log.error({ code: message.code }, message.message);
        return;
      case 'status':
        this.status = message;
        this.#resync.observe(message.resync, performance.now());
        this.#reports.status(message);
        return;
      case 'late':
        this.#onLate(message.byMs);
        return;
      case 'pong':
        this.#answer = message;
        return;
      case 'membership':
        void this.#changeMembership(message);
        return;
      case 'quarantine-answer':
      case 'at-risk-answer':
        this.#questions.onAnswer(message);
        return;
      case 'handoff':
        this.#reports.handedOff(message.complete, message.reason);
        return;
    }
  }

  async #changeMembership(request: MembershipRequest): Promise<void> {
    const { requestId } = request;
    try {
      const result = await this.#reports.changeMembership(request);
      this.#child?.send({ type: 'membership-result', requestId, ...result });
    } catch (error) {
      // Not known whether it changed: no answer is better than a guess. The replicator asks again.
      this.#log.warn({ reason: messageOf(error) }, 'the in-sync set could not be changed in etcd');
    }
  }

  #exited(how: string): void {
    this.#child = null;
    this.#answer = null;
    this.status = null;
    this.#resync.observe(null, performance.now());
    if (this.#closed) return;
    this.#log.error(
      { code: 'REPLICATOR_FAILED', restartInMs: this.#restartMs },
      `the replicator ended: ${how}`,
    );
    this.#reports.gone();
    setTimeout(() => {
      if (!this.#closed) this.start();
    }, this.#restartMs).unref();
    this.#restartMs = Math.min(lastRestartMs, this.#restartMs * 2);
  }
}

function settingsOf(config: Config): ReplicatorSettings {
  const { replication, paths } = config;
  return {
    cluster: config.cluster,
    nodeId: config.node.id,
    listenAddress: replication.address,
    listenPort: replication.port,
    configRoot: paths.config,
    filesRoot: join(paths.data, 'files'),
    stateRoot: paths.state,
    quarantineRoot: join(paths.data, 'quarantine'),
    quarantineBounds: {
      maxBytes: replication.quarantine.maxBytes,
      maxAgeMs: replication.quarantine.maxAge,
      minFreeBytes: config.health.minFreeMiB * 2 ** 20,
    },
    engineSocket: join(paths.run, 'engine.sock'),
    mode: replication.mode,
    strict: replication.strict,
    syncTimeoutMs: replication.syncTimeout,
    resyncBytesPerSecond: replication.resyncRate,
    maxRemovalShare: replication.maxRemovalShare / 100,
    logLevel: config.log.level,
  };
}
