import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LabClient } from './client.ts';
import type { NetworkHost } from './network.ts';
import type { LabProcess } from './spawn.ts';
import { waitFor } from './wait.ts';

/** One question, asked again and again: the SSH banner, and the MAC address of the host that sent it. */
interface Answer {
  readonly kind: 'answer';
  readonly askedMs: number;
  /** Null when none came within a second. */
  readonly answeredMs: number | null;
  readonly mac: string | null;
}

/** A file whose CLOSE was acknowledged, on a connection on which the host with this MAC address sent the banner. */
interface AcknowledgedWrite {
  readonly kind: 'acknowledged';
  readonly name: string;
  readonly mac: string;
}

/** A host served from then until then, and nobody else in between. Times of the wall clock. */
export interface Turn {
  readonly mac: string;
  readonly firstMs: number;
  lastMs: number;
  answers: number;
}

/** A partner's machine that writes down all the time which host serves at an address. */
export class ServiceWatch {
  readonly #client: LabClient;
  readonly #network: NetworkHost;
  readonly #output: string;
  #process: LabProcess | null = null;

  constructor(client: LabClient, network: NetworkHost) {
    this.#client = client;
    this.#network = network;
    this.#output = join(client.folder, `service-watch-${process.hrtime.bigint()}.log`);
  }

  /** @param everyMs how often it asks */
  async start(address: string, port: number, everyMs = 1, user = 'alice'): Promise<void> {
    writeFileSync(this.#output, '');
    const program = join(import.meta.dirname, 'service-watch-main.ts');
    const command = [
      process.execPath,
      program,
      address,
      String(port),
      'eth0',
      this.#client.keyFile,
      user,
      String(everyMs),
    ];
    this.#process = this.#network.spawn(this.#output, command, { stderr: 'inherit' });
    await waitFor('the first answer and the first write', async () => {
      return this.acknowledged.length > 0 && this.answers.some(({ mac }) => mac !== null);
    });
  }

  get answers(): Answer[] {
    return this.#lines().filter((line) => line.kind === 'answer');
  }

  /** In the order of the acknowledgements. */
  get acknowledged(): AcknowledgedWrite[] {
    return this.#lines().filter((line) => line.kind === 'acknowledged');
  }

  /** Who served, one after the other, by when the banners were sent. */
  get turns(): Turn[] {
    const turns: Turn[] = [];
    const answered = this.answers.flatMap(({ answeredMs, mac }) =>
      answeredMs === null || mac === null ? [] : [{ answeredMs, mac }],
    );
    for (const { answeredMs, mac } of answered.sort((a, b) => a.answeredMs - b.answeredMs)) {
      const last = turns.at(-1);
      if (last?.mac === mac) {
        last.lastMs = answeredMs;
        last.answers += 1;
      } else turns.push({ mac, firstMs: answeredMs, lastMs: answeredMs, answers: 1 });
    }
    return turns;
  }

  /** Resolves when the last question is answered. Rejects when the watch has ended by itself. */
  async stop(): Promise<void> {
    const wasWatching = this.#process?.kill('SIGTERM');
    const ended = await this.#process;
    if (wasWatching === false || ended?.exitCode !== 0) {
      throw new Error(`the service watch ended by itself with ${ended?.exitCode}`);
    }
  }

  #lines(): (Answer | AcknowledgedWrite)[] {
    const lines = readFileSync(this.#output, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line));
  }
}
