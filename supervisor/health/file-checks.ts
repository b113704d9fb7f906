import type { CommandName } from '../adapters/process/command.ts';
import { type Config, commandVipsOf } from '../config/schema.ts';
import type { Check } from './check.ts';
import { certificateFacts } from './checks/certificates.ts';
import { commandFacts, commandsNeeded } from './checks/commands.ts';
import { hostKeysFact } from './checks/host-keys.ts';
import { rootFact } from './checks/root.ts';
import { vipCommandFact } from './checks/vip-command.ts';

/** What there is to look at on disks: paths, and nothing that is in the files. */
export interface FileCheckPlan {
  readonly roots: Readonly<Record<string, string>>;
  readonly minFreeMiB: number;
  readonly tls: Config['etcd']['tls'] | null;
  readonly vipCommands: readonly string[];
  readonly commands: readonly CommandName[];
}

export function fileCheckPlan(config: Config): FileCheckPlan {
  const { config: configRoot, data, state } = config.paths;
  return {
    roots: { config: configRoot, data, state },
    minFreeMiB: config.health.minFreeMiB,
    tls: config.etcd.tls ?? null,
    vipCommands: [...new Set(commandVipsOf(config).map((vip) => vip.command))],
    commands: commandsNeeded(config),
  };
}

/** The checks that touch disks, any of which may stand still. */
export function fileChecks(plan: FileCheckPlan, wallMs: () => number): Check[] {
  const { roots, minFreeMiB, tls, vipCommands, commands } = plan;
  const every = (everyMs: number, name: string, look: Check['look'], isAdvisory = false): Check => ({
    name,
    everyMs,
    isAdvisory,
    look,
  });
  return [
    ...Object.entries(roots).map(([root, path]) =>
      every(1000, `${root} root`, async () => [await rootFact(`${root} root`, path, minFreeMiB)]),
    ),
    every(1000, 'host keys', async () => [await hostKeysFact(roots.config ?? '')]),
    ...vipCommands.map((file) => every(1000, `command ${file}`, async () => [await vipCommandFact(file)])),
    every(5000, 'commands', () => commandFacts(commands)),
    ...(tls === null ? [] : [every(5000, 'certificates', () => certificateFacts(tls, wallMs()), true)]),
  ];
}
