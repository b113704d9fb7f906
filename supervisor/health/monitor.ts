import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config/schema.ts';
import type { Health, HealthFact, HealthReports, Watchdog } from '../runtime/ports.ts';
import { answersWithBanner } from './checks/banner.ts';
import { certificateFacts } from './checks/certificates.ts';
import { etcdFacts, lookAtMembers } from './checks/etcd-members.ts';
import { gatherHealth } from './facts.ts';

const everyMs = 1000;
/** How often each member of etcd is asked; less often where each question costs it the check of a password. */
const etcdEveryMs = 5000;
const etcdLoginEveryMs = 15_000;
const bannerTimeoutMs = 2000;
/** Silent answers in a row after which an SFTP node that is alive counts as stuck. */
const silenceLimit = 2;

export interface MonitorOptions {
  readonly config: Config;
  readonly watchdog: Watchdog | null;
  readonly wallMs: () => number;
  readonly reports: HealthReports;
}

/** Looks at the host once a second, and at the SFTP node through its own door while it serves. */
export class HealthMonitor implements Health {
  readonly #options: MonitorOptions;
  #host: HealthFact[] = [];
  #etcd: HealthFact[] = [];
  #node: HealthFact | null = null;
  #silent = 0;

  constructor(options: MonitorOptions) {
    this.#options = options;
  }

  get facts(): readonly HealthFact[] {
    return [...this.#host, ...this.#etcd, ...(this.#node === null ? [] : [this.#node])];
  }

  async run(signal: AbortSignal): Promise<void> {
    void this.#lookAtEtcd(signal);
    while (!signal.aborted) {
      const { config, watchdog, wallMs } = this.#options;
      this.#host = [
        ...(await gatherHealth(config, watchdog)),
        ...certificateFacts(config.etcd.tls, wallMs()),
      ];
      const bad = this.#host.filter((fact) => fact.level === 'bad');
      this.#options.reports.unfit(bad.map(({ code, detail }) => ({ code, sentence: detail })));
      await this.#lookAtNode();
      await delay(everyMs, undefined, { signal }).catch(() => {});
    }
  }

  async #lookAtEtcd(signal: AbortSignal): Promise<void> {
    const { etcd } = this.#options.config;
    while (!signal.aborted) {
      this.#etcd = etcdFacts(await lookAtMembers(etcd));
      const everyMs = etcd.username === undefined ? etcdEveryMs : etcdLoginEveryMs;
      await delay(everyMs, undefined, { signal }).catch(() => {});
    }
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
