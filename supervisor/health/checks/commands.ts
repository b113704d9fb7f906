import { accessSync, constants } from 'node:fs';
import { codeOf, messageOf } from '#contracts/errors.ts';
import { type CommandName, deadlineExec, findCommand } from '../../adapters/process/command.ts';
import { type Config, commandVipsOf, kernelVipsOf } from '../../config/schema.ts';
import type { HealthFact } from '../../runtime/ports.ts';

/** What a leadership runs: without one of them a promotion would fail. */
export function commandsNeeded(config: Pick<Config, 'vips'>): CommandName[] {
  const families = new Set(kernelVipsOf(config).map(({ address }) => address.family));
  return [
    ...(families.size > 0 ? (['ip'] as const) : []),
    ...(families.has(4) ? (['arping'] as const) : []),
    ...(families.has(6) ? (['ndisc6', 'ndptool'] as const) : []),
    ...(commandVipsOf(config).length > 0 ? (['timeout'] as const) : []),
    'setpriv',
  ];
}

export function commandFacts(names: readonly CommandName[]): HealthFact[] {
  const facts = names.map((name) => factOf(`command ${name}`, () => findCommand(name)));
  return names.includes('ip') ? [...facts, factOf('command deadline-exec', findDeadlineExec)] : facts;
}

function findDeadlineExec(): string {
  accessSync(deadlineExec, constants.X_OK);
  return deadlineExec;
}

function factOf(name: string, find: () => string): HealthFact {
  try {
    return { name, level: 'ok', code: '', detail: find() };
  } catch (error) {
    const isOurs = codeOf(error) !== 'COMMAND_MISSING';
    const detail = isOurs
      ? `it belongs to Holdfast: install it again: ${messageOf(error)}`
      : messageOf(error);
    return { name, level: 'bad', code: 'COMMAND_MISSING', detail };
  }
}
