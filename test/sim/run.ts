import pino from 'pino';
import { messageOf } from '#contracts/errors.ts';
import type {
  EtcdAnswer,
  EtcdRpc,
  EtcdTransaction,
  EtcdWatcher,
} from '../../supervisor/adapters/etcd/rpc.ts';
import { EtcdStore } from '../../supervisor/adapters/etcd/store.ts';
import type { Config } from '../../supervisor/config/schema.ts';
import { Operator } from '../../supervisor/control/operator.ts';
import { endEarlierRun } from '../../supervisor/release/cleanup.ts';
import type { RunState, Timers } from '../../supervisor/runtime/ports.ts';
import { Supervisor } from '../../supervisor/runtime/supervisor.ts';
import type { HostModel } from './host.ts';
import { ReplicatorModel } from './replicator.ts';
import { SftpNodeModel } from './sftp-node.ts';
import { VirtualIpsModel } from './virtual-ips.ts';
import type { World } from './world.ts';

export const lease = { ttl: 3000, renewEvery: 500, margin: 500 };
export const cluster = 'sim';
export const keyPrefix = `/holdfast/${cluster}/`;

/** Debug lines cost time, and nobody reads them; warnings and errors belong to the story. */
const wallBaseMs = Date.parse('2026-01-01T00:00:00Z');

/** One life of a supervisor process: the real one, with its real store and operator, on modelled parts. */
export class SupervisorRun {
  readonly #host: HostModel;
  readonly #world: World;
  readonly supervisor: Supervisor;
  readonly operator: Operator;
  replicator: ReplicatorModel | null = null;
  sftpNode: SftpNodeModel | null = null;
  alive = true;

  constructor(host: HostModel, world: World) {
    this.#host = host;
    this.#world = world;
    const clock = {
      bootTimeMs: () => host.bootTimeMs(),
      wallTimeIso: () => new Date(wallBaseMs + world.timeline.now + host.wallSkewMs).toISOString(),
    };
    const rpc = this.#rpc(() => Date.parse(clock.wallTimeIso()));
    const store = new EtcdStore(rpc, { cluster, lease });
    const vips = new VirtualIpsModel(host, world);
    const log = this.#log();
    const runState = this.#runState();
    this.supervisor = new Supervisor({
      config: configOf(host.id),
      store,
      clock,
      timers: this.#timers(),
      vips,
      sftpNode: (reports) => {
        this.sftpNode = new SftpNodeModel(host, world, reports);
        return this.sftpNode;
      },
      replicator: (reports) => {
        this.replicator = new ReplicatorModel(host, world, reports);
        return this.replicator;
      },
      health: (reports) => {
        host.onStuckNode = () => reports.silentNode(true);
        return {
          facts: [],
          latenessMs: {},
          run: (signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
        };
      },
      placement: null,
      watchdog: null,
      runState,
      notifier: { ready() {}, alive() {}, status() {}, stopping() {} },
      identityOf: () => null,
      cleanUpEarlierRun: async () => {
        host.node = null;
        await endEarlierRun({ runState, vips, store: async () => store, watchdog: null, log });
      },
      saveRecording: () => 'the simulator',
      crash: (error) => world.onDefect(host, error),
      log,
    });
    this.operator = new Operator({ store, clock, log, onWritten: () => this.supervisor.readSoon() });
  }

  start(): void {
    this.supervisor.run().then(
      () => this.#exited(),
      (error) => this.#world.onDefect(this.#host, error),
    );
  }

  end(): void {
    this.alive = false;
    this.replicator?.close();
  }

  /** Runs in this process: not while it is paused, and never after it ended. */
  later(ms: number, run: () => void): void {
    const { timeline } = this.#world;
    const pause = Math.max(0, this.#host.pausedUntil.supervisor - timeline.now);
    if (ms <= 0 && pause === 0) {
      if (this.alive) run();
      return;
    }
    timeline.after(Math.max(ms, pause), () => this.later(0, run));
  }

  #exited(): void {
    this.end();
    if (this.#host.run === this) this.#host.run = null;
    this.#world.tell(`${this.#host.id}: supervisor stopped`);
  }

  #timers(): Timers {
    return {
      after: (ms, run) => {
        let isWanted = true;
        this.later(Math.max(1, ms), () => {
          if (isWanted) run();
        });
        return () => {
          isWanted = false;
        };
      },
      afterFullPoll: (run) => this.later(1, run),
      every: (ms, run) => {
        let isWanted = true;
        this.#world.timeline.every(ms, () => {
          this.later(0, () => {
            if (isWanted) run();
          });
          return isWanted && this.alive;
        });
        return () => {
          isWanted = false;
        };
      },
    };
  }

  /** Answers come into this process as everything else does: not while it is paused. */
  #rpc(wallMs: () => number): EtcdRpc {
    const { network, etcd } = this.#world;
    const host = this.#host;
    const ask = <Answer>(budgetMs: number, serve: () => Answer): Promise<EtcdAnswer<Answer>> => {
      const sent = { sentAtMs: host.bootTimeMs(), wallMs: wallMs() };
      return new Promise((resolve, reject) => {
        network
          .ask(host.id, () => etcd.slowMs, budgetMs, serve)
          .then(
            (answer) => this.later(0, () => resolve({ answer, ...sent })),
            (error) => this.later(0, () => reject(error)),
          );
      });
    };
    return {
      transaction: (transaction: EtcdTransaction, budgetMs) =>
        ask(budgetMs, () => etcd.transaction(transaction)),
      grantLease: (ttlSeconds, budgetMs) =>
        ask(budgetMs, () => ({ id: etcd.grant(ttlSeconds * 1000), ttlSeconds })),
      renewLease: async (id, budgetMs) => {
        const { answer, ...sent } = await ask(budgetMs, () => etcd.renew(id));
        return answer ? { answer: { id }, ...sent } : null;
      },
      revokeLease: async (id, budgetMs) => {
        await ask(budgetMs, () => etcd.revoke(id));
      },
      watch: (_prefix: string, watcher: EtcdWatcher) => {
        host.watcher = (change) => {
          watcher.onKey(change);
          watcher.onChange();
        };
      },
      close: () => {},
    };
  }

  #runState(): RunState {
    const host = this.#host;
    return {
      remember: ({ leaseId }) => {
        if (leaseId !== undefined) host.rememberedLease = leaseId;
      },
      recall: () => ({ leaseId: host.rememberedLease, sftpNode: null, settings: null }),
      forget: () => {
        host.rememberedLease = null;
      },
    };
  }

  #log() {
    const tell = (text: string) => this.#world.tell(`${this.#host.id}: ${text}`);
    const stream = {
      write: (line: string) => {
        const { msg, reason } = JSON.parse(line);
        tell(reason === undefined ? msg : `${msg}: ${messageOf(reason)}`);
      },
    };
    return pino({ level: this.#world.isTold ? 'info' : 'silent' }, stream);
  }
}

function configOf(id: string): Config {
  return {
    cluster,
    node: { id, noFailover: false, priority: 100 },
    lease,
    vips: [],
    replication: { address: id, port: 1, mode: 'sync', strict: false },
    sftp: { port: 22, listen: '::' },
    watchdog: { mode: 'off' },
  } as unknown as Config;
}
