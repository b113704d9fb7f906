import { writeFileSync } from 'node:fs';
import { execa } from 'execa';
import type { LabHost } from '../../lab/host.ts';
import { cpuOfProcess, holdfastProgramOf, peakMebibytes } from '../data-path/cpu.ts';

export interface Usage {
  /** Of the largest of them, where several ran. */
  readonly peakMiB: number;
  readonly cpuSeconds: number;
}

const everyMs = 1000;

interface Seen extends Usage {
  readonly name: string;
  readonly cpuBefore: number;
}

/** What Holdfast's processes use, by host and program: the most memory and the CPU time of each, since the last `take`. */
export class UsageWatch {
  readonly #hosts: readonly LabHost[];
  readonly #seen = new Map<number, Seen>();
  readonly #timer: NodeJS.Timeout;
  #looking: Promise<void> = Promise.resolve();

  constructor(hosts: readonly LabHost[]) {
    this.#hosts = hosts;
    this.#timer = setInterval(() => {
      this.#looking = this.#looking.then(() => this.#look());
    }, everyMs);
  }

  async take(): Promise<Record<string, Usage>> {
    await this.#looking;
    await this.#look();
    const usage: Record<string, Usage> = {};
    for (const [pid, { name, peakMiB, cpuSeconds }] of this.#seen) {
      if (peakMiB === 0) continue;
      const other = usage[name];
      usage[name] = {
        peakMiB: Math.max(peakMiB, other?.peakMiB ?? 0),
        cpuSeconds: Number((cpuSeconds + (other?.cpuSeconds ?? 0)).toFixed(2)),
      };
      resetPeak(pid);
    }
    for (const [pid, seen] of this.#seen)
      this.#seen.set(pid, {
        ...seen,
        peakMiB: 0,
        cpuSeconds: 0,
        cpuBefore: seen.cpuBefore + seen.cpuSeconds,
      });
    return usage;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  async #look(): Promise<void> {
    for (const host of this.#hosts) {
      const { stdout } = await execa('ip', ['netns', 'pids', host.network.namespace], { reject: false });
      for (const pid of stdout.split('\n').filter(Boolean).map(Number)) {
        this.#lookAt(host, pid);
      }
    }
  }

  #lookAt(host: LabHost, pid: number): void {
    try {
      const program = holdfastProgramOf(pid);
      if (program === null) return;
      const seen = this.#seen.get(pid);
      const cpuBefore = seen?.cpuBefore ?? 0;
      this.#seen.set(pid, {
        name: `${host.name} ${program}`,
        peakMiB: Math.max(seen?.peakMiB ?? 0, peakMebibytes(pid)),
        cpuSeconds: cpuOfProcess(pid) - cpuBefore,
        cpuBefore,
      });
    } catch {
      // It has ended.
    }
  }
}

/** From now on the most memory that the process had is that of now. */
function resetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {
    // It has ended.
  }
}
