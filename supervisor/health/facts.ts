import { type Config, kernelVipsOf } from '../config/schema.ts';
import type { HealthFact, Watchdog } from '../runtime/ports.ts';
import { type Check, lookOnce } from './check.ts';
import { interfaceFact } from './checks/interface.ts';
import { loadFact, memoryFact } from './checks/memory-and-load.ts';
import { watchdogFact } from './checks/watchdog.ts';
import { FileCheckProcess } from './file-check-process.ts';
import { fileCheckPlan } from './file-checks.ts';

/** The checks of this host that ask the kernel, and touch no disk. */
export function kernelChecks(config: Config, watchdog: Watchdog | null): Check[] {
  const interfaces = [...new Set(kernelVipsOf(config).map((vip) => vip.interface))];
  const isRequired = config.watchdog.mode === 'required';
  return [
    ...interfaces.map((name) => ({
      name: `interface ${name}`,
      everyMs: 1000,
      look: async () => [await interfaceFact(name)],
    })),
    ...(watchdog === null
      ? []
      : [
          {
            name: 'watchdog',
            everyMs: 1000,
            isAdvisory: !isRequired,
            look: async () => [await watchdogFact(watchdog, isRequired)],
          },
        ]),
    { name: 'memory', everyMs: 1000, isAdvisory: true, look: async () => [await memoryFact()] },
    { name: 'load', everyMs: 1000, isAdvisory: true, look: () => [loadFact()] },
  ];
}

/**
 * Looks at this host once, as `holdfast doctor` does; what only a supervisor can ask is left out. Never rejects; a
 * check that hangs is waited for until it is overdue.
 */
export async function gatherHealth(config: Config, watchdog: Watchdog | null): Promise<HealthFact[]> {
  const [files, ...others] = await Promise.all([
    lookAtFiles(config),
    ...kernelChecks(config, watchdog).map(lookOnce),
  ]);
  return [...files, ...others.flat()];
}

function lookAtFiles(config: Config): Promise<readonly HealthFact[]> {
  const over = new AbortController();
  return new Promise((resolve) => {
    const files = new FileCheckProcess(fileCheckPlan(config), () => {
      if (files.facts.some(({ code }) => code === 'CHECK_PENDING')) return;
      resolve(files.facts);
      over.abort();
    });
    void files.run(over.signal);
  });
}
