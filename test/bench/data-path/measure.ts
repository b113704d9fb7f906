import { median } from '../median.ts';
import { cpuOfEndedChildren } from './cpu.ts';
import type { Server } from './servers.ts';

export function quantile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export interface Sample {
  readonly ms: number;
  /** CPU seconds by process and thread, `client` included. */
  readonly cpu: Map<string, number>;
}

export interface Contestant {
  readonly name: string;
  readonly server: Server;
  /** One transfer of everything; cleaning up is not part of it. */
  readonly run: () => Promise<void>;
  /** Looked at after the first round. @throws when a byte is wrong */
  readonly verify: () => Promise<void>;
  readonly clean: () => void;
}

export interface Result {
  readonly name: string;
  readonly ms: number;
  readonly rounds: readonly number[];
  readonly cpu: Record<string, number>;
  readonly memory: Record<string, number>;
}

async function once({ server, run }: Contestant): Promise<Sample> {
  const before = server.cpu();
  const clientBefore = cpuOfEndedChildren(process.pid);
  const startedMs = performance.now();
  await run();
  const ms = performance.now() - startedMs;
  const cpu = new Map([['client', cpuOfEndedChildren(process.pid) - clientBefore]]);
  for (const [name, seconds] of server.cpu()) cpu.set(name, seconds - (before.get(name) ?? 0));
  return { ms, cpu };
}

/** In turns, so that a slow minute of the machine is everybody's; the first round warms up and does not count. */
export async function compare(contestants: readonly Contestant[], rounds: number): Promise<Result[]> {
  const samples = contestants.map(() => [] as Sample[]);
  for (let round = 0; round <= rounds; round++) {
    for (const [index, contestant] of contestants.entries()) {
      const sample = await once(contestant);
      if (round === 0) await contestant.verify();
      contestant.clean();
      if (round > 0 || rounds === 0) samples[index]?.push(sample);
      const spent = [...sample.cpu].filter(([, seconds]) => seconds > 0.02);
      const cpu = spent.map(([thread, seconds]) => `${thread} ${seconds.toFixed(2)}`).join(', ');
      process.stderr.write(`${contestant.name}: ${Math.round(sample.ms)} ms; CPU s: ${cpu}\n`);
    }
  }
  return contestants.map(({ name, server }, index) => {
    const own = samples[index] ?? [];
    const names = new Set(own.flatMap(({ cpu }) => [...cpu.keys()]));
    const cpu = Object.fromEntries(
      [...names].map((thread) => [thread, median(own.map((sample) => sample.cpu.get(thread) ?? 0))]),
    );
    const rounds = own.map(({ ms }) => ms);
    return { name, ms: median(rounds), rounds, cpu, memory: server.memory() };
  });
}
