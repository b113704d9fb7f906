import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from '../../lab/lab.ts';
import type { LabProcess } from '../../lab/spawn.ts';
import { waitFor } from '../../lab/wait.ts';

export interface Latencies {
  readonly requests: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly longest: number;
}

export const requestKinds = ['WRITE', 'CLOSE'] as const;

/** A window of boot time, ms. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

/** A client of the lab that writes small files at a steady pace. */
export class SteadyClient {
  readonly #output: string;
  readonly #process: LabProcess;

  private constructor(output: string, process: LabProcess) {
    this.#output = output;
    this.#process = process;
  }

  static async start(lab: Lab): Promise<SteadyClient> {
    const { network, folder, keyFile } = lab.client;
    const output = join(folder, `steady-${process.hrtime.bigint()}.log`);
    const program = join(import.meta.dirname, 'steady-client-main.ts');
    const command = [process.execPath, program, lab.vipV4, String(lab.sftpPort), keyFile];
    const client = new SteadyClient(output, network.spawn(output, command, { stderr: 'inherit' }));
    await waitFor('the steady client to write', () => client.#lines.length > 100);
    return client;
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGTERM');
    await this.#process;
  }

  /** Of the requests that were sent in the window. */
  latencies({ from, to }: Window): Record<(typeof requestKinds)[number], Latencies> {
    const within = this.#lines.filter(([sentMs]) => Number(sentMs) >= from && Number(sentMs) < to);
    const of = (kind: string) =>
      summary(within.flatMap(([, request, ms]) => (request === kind ? [Number(ms)] : [])));
    return { WRITE: of('WRITE'), CLOSE: of('CLOSE') };
  }

  get #lines(): string[][] {
    const lines = readFileSync(this.#output, 'utf8').split('\n');
    return lines.slice(0, -1).map((line) => line.split(' '));
  }
}

function summary(times: readonly number[]): Latencies {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
  return { requests: sorted.length, p50: at(0.5), p99: at(0.99), p999: at(0.999), longest: at(1) };
}
