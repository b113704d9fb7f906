import { setTimeout as delay } from 'node:timers/promises';
import { LoopWatch } from '#contracts/lateness.ts';
import type { Config } from '../config/schema.ts';
import type { Health, HealthFact, HealthReports, Watchdog } from '../runtime/ports.ts';
import { certificateFacts } from './checks/certificates.ts';
import { etcdFacts, lookAtMembers } from './checks/etcd-members.ts';
import type { NodeQuestions } from './checks/liveness.ts';
import { gatherHealth } from './facts.ts';
import { type Lateness, processNames } from './lateness.ts';
import { NodeWatch } from './node-watch.ts';

const everyMs = 1000;
/** How often each member of etcd is asked; less often where each question costs it the check of a password. */
const etcdEveryMs = 5000;
const etcdLoginEveryMs = 15_000;

export interface MonitorOptions {
  readonly config: Config;
  readonly watchdog: Watchdog | null;
  readonly wallMs: () => number;
  readonly node: NodeQuestions;
  readonly lateness: Lateness;
  readonly reports: HealthReports;
}

/** Looks at the host once a second, and asks the SFTP node while it serves. */
export class HealthMonitor implements Health {
  readonly #options: MonitorOptions;
  #host: HealthFact[] = [];
  #etcd: HealthFact[] = [];
  readonly #node: NodeWatch;

  constructor(options: MonitorOptions) {
    this.#options = options;
    const loop = new LoopWatch({ onLate: (byMs) => options.lateness.add('supervisor', byMs) }).start();
    this.#node = new NodeWatch(options.node, loop, options.reports);
  }

  get facts(): readonly HealthFact[] {
    const { fact } = this.#node;
    return [...this.#host, ...this.#etcd, ...this.#options.lateness.facts, ...(fact === null ? [] : [fact])];
  }

  get latenessMs(): Readonly<Record<string, number>> {
    const { lateness } = this.#options;
    return Object.fromEntries(processNames.map((name) => [name, lateness.worstMs(name)]));
  }

  async run(signal: AbortSignal): Promise<void> {
    void this.#lookAtEtcd(signal);
    void this.#node.run(signal);
    while (!signal.aborted) {
      const { config, watchdog, wallMs } = this.#options;
      this.#host = [
        ...(await gatherHealth(config, watchdog)),
        ...certificateFacts(config.etcd.tls, wallMs()),
      ];
      const bad = this.#host.filter((fact) => fact.level === 'bad');
      this.#options.reports.unfit(bad.map(({ code, detail }) => ({ code, sentence: detail })));
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
}
