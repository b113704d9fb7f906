import type { QuarantineSummary } from '#contracts/ipc/quarantine.ts';
import { LoopWatch } from '#contracts/lateness.ts';
import type { Config } from '../config/schema.ts';
import type {
  Health,
  HealthFact,
  HealthReports,
  ReplicatorStatus,
  VipConflict,
  Watchdog,
} from '../runtime/ports.ts';
import type { Check } from './check.ts';
import { CheckLoop } from './check-loop.ts';
import { addressTakenFact } from './checks/address-taken.ts';
import { etcdFacts, lookAtMembers } from './checks/etcd-members.ts';
import { failedFilesFact } from './checks/failed-files.ts';
import type { NodeQuestions } from './checks/liveness.ts';
import { quarantineFact } from './checks/quarantine.ts';
import { sftpPortFact } from './checks/sftp-port.ts';
import { type EngineQuestions, EngineWatch } from './engine-watch.ts';
import { kernelChecks } from './facts.ts';
import { FileCheckProcess } from './file-check-process.ts';
import { fileCheckPlan } from './file-checks.ts';
import { type Lateness, processNames } from './lateness.ts';
import { NodeWatch } from './node-watch.ts';

const everyMs = 1000;
/** How often each member of etcd is asked; less often where each question costs it the check of a password. */
const etcdEveryMs = 5000;
const etcdLoginEveryMs = 15_000;
const quarantineEveryMs = 10_000;
/** One packet to everybody on the segment each time. */
const addressEveryMs = 10_000;

export interface MonitorOptions {
  readonly config: Config;
  readonly watchdog: Watchdog | null;
  /** Asks the network who has one of the virtual IPs. */
  readonly askForAddresses: () => Promise<VipConflict | null>;
  readonly node: NodeQuestions;
  readonly engine: EngineQuestions;
  readonly lateness: Lateness;
  /** As the replicator told it last; null: it has not yet. */
  readonly quarantine: () => QuarantineSummary | null;
  /** Files whose flush failed, as the replicator told it last. */
  readonly failedFiles: () => ReplicatorStatus['failedFiles'];
  readonly reports: HealthReports;
}

/**
 * Looks at the host once a second, each thing in a loop of its own, so that none waits for another; and asks the SFTP
 * node whether it lives while it serves.
 */
export class HealthMonitor implements Health {
  readonly #options: MonitorOptions;
  readonly #files: FileCheckProcess;
  readonly #loops: readonly CheckLoop[];
  readonly #etcd: CheckLoop;
  readonly #node: NodeWatch;
  readonly #engine: EngineWatch;

  constructor(options: MonitorOptions) {
    this.#options = options;
    const { node, engine, lateness, reports } = options;
    const loop = new LoopWatch({ onLate: (byMs) => lateness.add('supervisor', byMs) }).start();
    this.#node = new NodeWatch(node, loop, reports);
    this.#engine = new EngineWatch(engine, loop, reports);
    const tell = () => this.#tell();
    this.#files = new FileCheckProcess(fileCheckPlan(options.config), tell);
    this.#loops = this.#checks().map((check) => new CheckLoop(check, tell));
    this.#etcd = new CheckLoop(etcdCheck(options.config), () => {});
  }

  get facts(): readonly HealthFact[] {
    const watched = [this.#node.fact, this.#engine.fact].filter((fact) => fact !== null);
    const { lateness } = this.#options;
    return [...this.#hostFacts, ...this.#etcd.facts, ...lateness.facts, ...watched];
  }

  get latenessMs(): Readonly<Record<string, number>> {
    const { lateness } = this.#options;
    return Object.fromEntries(processNames.map((name) => [name, lateness.worstMs(name)]));
  }

  async run(signal: AbortSignal): Promise<void> {
    // Nothing is known yet, which forbids to lead as well.
    this.#tell();
    await Promise.all([
      this.#files.run(signal),
      this.#node.run(signal),
      this.#engine.run(signal),
      this.#etcd.run(signal),
      ...this.#loops.map((loop) => loop.run(signal)),
    ]);
  }

  get #hostFacts(): readonly HealthFact[] {
    return [...this.#files.facts, ...this.#loops.flatMap(({ facts }) => facts)];
  }

  #tell(): void {
    const bad = this.#hostFacts.filter((fact) => fact.level === 'bad');
    this.#options.reports.unfit(bad.map(({ code, detail }) => ({ code, sentence: detail })));
  }

  #checks(): Check[] {
    const { config, watchdog, askForAddresses, quarantine, reports } = this.#options;
    const { sftp } = config;
    const expected = () => reports.leaderLinks();
    return [
      ...kernelChecks(config, watchdog),
      {
        name: 'flushed files',
        everyMs,
        look: async () => [failedFilesFact(this.#options.failedFiles(), reports.isServing())],
      },
      { name: 'SFTP port', everyMs, look: () => this.#lookAtPort(sftp) },
      {
        name: 'virtual IP elsewhere',
        everyMs: addressEveryMs,
        isAdvisory: true,
        look: async () => [await addressTakenFact({ ask: askForAddresses, expected })],
      },
      {
        name: 'quarantine',
        everyMs: quarantineEveryMs,
        isAdvisory: true,
        look: () => [quarantineFact(quarantine())],
      },
    ];
  }

  /** While this host leads, or is about to, the port is its own. */
  async #lookAtPort({ listen, port }: Config['sftp']): Promise<HealthFact[]> {
    const { reports } = this.#options;
    const own: HealthFact = { name: 'SFTP port', level: 'ok', code: '', detail: 'is our own' };
    if (reports.hasSftpPort()) return [own];
    const fact = await sftpPortFact(listen, port);
    return [reports.hasSftpPort() ? own : fact];
  }
}

/**
 * For people alone, whatever it finds: whether etcd lets this host lead, its lease tells at once, while a look may be
 * from before etcd came back.
 */
function etcdCheck({ etcd }: Config): Check {
  return {
    name: 'etcd members',
    everyMs: etcd.username === undefined ? etcdEveryMs : etcdLoginEveryMs,
    isAdvisory: true,
    look: async () => etcdFacts(await lookAtMembers(etcd)),
  };
}
