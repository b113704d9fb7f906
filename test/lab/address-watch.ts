import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NetworkHost } from './network.ts';
import type { LabProcess } from './spawn.ts';
import { waitFor } from './wait.ts';

/** One question to the segment, and every host that answered it. */
export interface Answer {
  /** When it was asked, in milliseconds of the monotonic clock. */
  readonly atMs: number;
  /** MAC addresses, each once. */
  readonly macs: readonly string[];
}

/** arping takes a second for a request, and more on a busy machine; ten requests a second are under way at once. */
const sourceCount = 20;

/** A machine on the segment that asks all the time, by ARP, who has an address: two that answer are two that have it. */
export class AddressWatch {
  readonly #network: NetworkHost;
  readonly #address: string;
  readonly #output: string;
  #process: LabProcess | null = null;

  constructor(network: NetworkHost, address: string, folder: string) {
    this.#network = network;
    this.#address = address;
    this.#output = join(folder, `address-watch-${process.hrtime.bigint()}.log`);
  }

  async start(): Promise<void> {
    const subnet = this.#network.ipv4.slice(0, this.#network.ipv4.lastIndexOf('.'));
    const sources = Array.from({ length: sourceCount }, (_, index) => `${subnet}.${230 + index}`);
    for (const source of sources) {
      await this.#network.ip('addr', 'replace', `${source}/24`, 'dev', 'eth0');
    }
    writeFileSync(this.#output, '');
    const program = join(import.meta.dirname, 'address-watch-main.ts');
    const command = [process.execPath, program, this.#address, 'eth0', ...sources];
    this.#process = this.#network.spawn(this.#output, command, { stderr: 'inherit' });
    await waitFor('the first answers about the address', () => this.answers.length > 0);
  }

  /** In the order of the answers. */
  get answers(): Answer[] {
    const lines = readFileSync(this.#output, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line));
  }

  /** Requests that more than one host answered. */
  get doubled(): Answer[] {
    return this.answers.filter(({ macs }) => macs.length > 1);
  }

  /** Every host that answered at some time. */
  get holders(): Set<string> {
    return new Set(this.answers.flatMap(({ macs }) => macs));
  }

  /**
   * Resolves when the last request is answered. Rejects when the watch has ended by itself: what it did not see proves
   * nothing.
   */
  async stop(): Promise<void> {
    const wasWatching = this.#process?.kill('SIGTERM');
    const ended = await this.#process;
    if (wasWatching === false) throw new Error(`the address watch ended by itself with ${ended?.exitCode}`);
  }
}
