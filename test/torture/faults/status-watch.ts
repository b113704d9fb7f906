import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import type { LabHost } from '../../lab/host.ts';

const command = join(import.meta.dirname, '../../../dist/holdfast.js');
/** One comes every second from a supervisor that answers. */
const freshMs = 2500;

/** The parts of `holdfast status --json` that the checker goes by. */
export interface Status {
  readonly phase: string;
  readonly processes: Readonly<Record<string, number | null>>;
  readonly hosts: readonly {
    readonly node: string;
    readonly role: string;
    readonly inSync: boolean;
    readonly replication: { readonly state: string; readonly lagOperations: number } | null;
  }[];
}

/** `holdfast status --watch --json` of one host: one process for a whole run, since starting it costs more than a status. */
export class StatusWatch {
  readonly #process;
  #last: Status | null = null;
  #lastAt = 0;

  /** Outside of the host's network, whose processes all die with the host; it needs the run folder alone. */
  constructor(host: LabHost) {
    this.#process = execa(
      process.execPath,
      [command, 'status', '--watch', '--json', '--config', host.configFile],
      { stdin: 'ignore', stderr: 'ignore', reject: false, buffer: false },
    );
    createInterface({ input: this.#process.stdout }).on('line', (line) => {
      // What is wrong is told over several lines.
      if (!line.startsWith('{"')) return;
      const document = JSON.parse(line);
      if (document.phase === undefined) return;
      this.#last = document;
      this.#lastAt = performance.now();
    });
  }

  /** Null when no supervisor answers there. */
  get latest(): Status | null {
    return performance.now() - this.#lastAt < freshMs ? this.#last : null;
  }

  /** As it was after this was asked for. Null when no supervisor answers there. */
  async next(): Promise<Status | null> {
    const askedAt = performance.now();
    while (this.#lastAt < askedAt && performance.now() - askedAt < freshMs) await delay(20);
    return this.#lastAt < askedAt ? null : this.#last;
  }

  stop(): void {
    this.#process.kill('SIGKILL');
  }
}
