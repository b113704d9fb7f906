import { setTimeout as delay } from 'node:timers/promises';
import { afterFullPoll, type LoopWatch } from '#contracts/lateness.ts';
import type { HealthFact, HealthReports } from '../runtime/ports.ts';
import { NodeLiveness, type NodeQuestions } from './checks/liveness.ts';

const everyMs = 100;

/** Asks the SFTP node whether it lives, as long as it serves. A loop of its own: no disk holds it up. */
export class NodeWatch {
  readonly #liveness: NodeLiveness;
  readonly #loop: LoopWatch;
  readonly #reports: HealthReports;
  #isServing = false;

  constructor(node: NodeQuestions, loop: LoopWatch, reports: HealthReports) {
    this.#liveness = new NodeLiveness(node);
    this.#loop = loop;
    this.#reports = reports;
  }

  get fact(): HealthFact | null {
    const name = 'sftp-node';
    const { heard, isSilent } = this.#liveness;
    if (!this.#isServing || (heard === null && !isSilent)) return null;
    if (heard === null) {
      return { name, level: 'bad', code: 'SFTP_NODE_SILENT', detail: 'does not answer, or does not listen' };
    }
    return heard.accepting
      ? { name, level: 'ok', code: '', detail: 'answers' }
      : { name, level: 'warn', code: 'CLIENTS_NOT_TAKEN', detail: 'clients could not be taken lately' };
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await new Promise<void>(afterFullPoll);
      this.#look();
      await delay(everyMs, undefined, { signal }).catch(() => {});
    }
  }

  #look(): void {
    this.#isServing = this.#reports.isServing();
    if (!this.#isServing) {
      this.#liveness.reset();
      return;
    }
    const verdict = this.#liveness.look(this.#loop.attendedMs());
    if (verdict !== 'lives') this.#reports.silentNode(verdict === 'stuck');
  }
}
