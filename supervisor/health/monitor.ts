import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config/schema.ts';
import type { Health, HealthFact, HealthReports, VipConflict, Watchdog } from '../runtime/ports.ts';
import type { Check } from './check.ts';
import { CheckLoop } from './check-loop.ts';
import { addressTakenFact } from './checks/address-taken.ts';
import { answersWithBanner } from './checks/banner.ts';
import { etcdSpaceFact } from './checks/etcd-space.ts';
import { sftpPortFact } from './checks/sftp-port.ts';
import { kernelChecks } from './facts.ts';
import { FileCheckProcess } from './file-check-process.ts';
import { fileCheckPlan } from './file-checks.ts';

const everyMs = 1000;
/** Its members are asked now and then: what is looked for builds up over days. */
const etcdEveryMs = 15_000;
/** One packet to everybody on the segment each time. */
const addressEveryMs = 10_000;
const bannerTimeoutMs = 2000;
/** Silent answers in a row after which an SFTP node that is alive counts as stuck. */
const silenceLimit = 2;

export interface MonitorOptions {
  readonly config: Config;
  readonly watchdog: Watchdog | null;
  /** Asks the network who has one of the virtual IPs. */
  readonly askForAddresses: () => Promise<VipConflict | null>;
  readonly reports: HealthReports;
}

/**
 * Looks at the host once a second, each thing in a loop of its own, so that none waits for another; and at the SFTP node
 * through its own door while it serves.
 */
export class HealthMonitor implements Health {
  readonly #options: MonitorOptions;
  readonly #files: FileCheckProcess;
  readonly #loops: readonly CheckLoop[];
  #node: HealthFact | null = null;
  #silent = 0;

  constructor(options: MonitorOptions) {
    this.#options = options;
    const tell = () => this.#tell();
    this.#files = new FileCheckProcess(fileCheckPlan(options.config), tell);
    this.#loops = this.#checks().map((check) => new CheckLoop(check, tell));
  }

  get facts(): readonly HealthFact[] {
    return [...this.#hostFacts, ...(this.#node === null ? [] : [this.#node])];
  }

  async run(signal: AbortSignal): Promise<void> {
    // Nothing is known yet, which forbids to lead as well.
    this.#tell();
    void this.#files.run(signal);
    for (const loop of this.#loops) void loop.run(signal);
    while (!signal.aborted) {
      await this.#lookAtNode();
      await delay(everyMs, undefined, { signal }).catch(() => {});
    }
  }

  get #hostFacts(): readonly HealthFact[] {
    return [...this.#files.facts, ...this.#loops.flatMap(({ facts }) => facts)];
  }

  #tell(): void {
    const bad = this.#hostFacts.filter((fact) => fact.level === 'bad');
    this.#options.reports.unfit(bad.map(({ code, detail }) => ({ code, sentence: detail })));
  }

  #checks(): Check[] {
    const { config, watchdog, askForAddresses, reports } = this.#options;
    const { etcd, sftp } = config;
    const expected = () => reports.leaderLinks();
    return [
      ...kernelChecks(config, watchdog),
      { name: 'SFTP port', everyMs, look: () => this.#lookAtPort(sftp) },
      {
        name: 'virtual IP elsewhere',
        everyMs: addressEveryMs,
        isAdvisory: true,
        look: async () => [await addressTakenFact({ ask: askForAddresses, expected })],
      },
      ...etcd.endpoints.map((endpoint) => ({
        name: `etcd ${endpoint}`,
        everyMs: etcdEveryMs,
        isAdvisory: true,
        look: async () => [await etcdSpaceFact(etcd, endpoint)].filter((fact) => fact !== null),
      })),
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

  async #lookAtNode(): Promise<void> {
    const { config, reports } = this.#options;
    if (!reports.isServing()) {
      this.#node = null;
      this.#silent = 0;
      return;
    }
    const answers = await answersWithBanner(config.sftp.listen, config.sftp.port, bannerTimeoutMs);
    if (!reports.isServing()) return;
    this.#silent = answers ? 0 : this.#silent + 1;
    this.#node = answers
      ? { name: 'sftp-node', level: 'ok', code: '', detail: 'answers' }
      : {
          name: 'sftp-node',
          level: 'bad',
          code: 'SFTP_NODE_SILENT',
          detail: `no answer on port ${config.sftp.port}`,
        };
    if (this.#silent >= silenceLimit) reports.silentNode(this.#silent > silenceLimit);
  }
}
