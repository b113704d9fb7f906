import { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import type { OperationRequest } from '../core/operation/request.ts';
import { exitOfRefusal } from './exit-codes.ts';
import { configOption, parseDuration, parseHost, parseTime } from './options.ts';
import { exitAs, printJson } from './output.ts';
import { mustAgree, whoAsks } from './person.ts';
import { runOperation, showPlan } from './run-operation.ts';

interface SwitchoverOptions {
  config: string;
  json?: boolean;
  to?: string;
  at?: string;
  drain: number;
  drill?: boolean;
  force?: boolean;
  dryRun?: boolean;
  yes?: boolean;
  wait: boolean;
}

export function switchoverCommand(): Command {
  return new Command('switchover')
    .description('move the service to another host, without losing anything')
    .addOption(configOption())
    .option('--to <host>', 'the host that takes over; default: the best candidate', parseHost)
    .option(
      '--at <time>',
      'begin at this time (ISO 8601 with its offset: 2026-11-24T03:00:00+01:00)',
      parseTime,
    )
    .option(
      '--force',
      'with --to: also a host whose settings differ from the leader’s, to change them host by host',
    )
    .option('--drain <duration>', 'how long running transfers may take to end (30s, 5m)', parseDuration, 0)
    .option('--drill', 'a rehearsal: the history tells it apart')
    .option('--dry-run', 'only show what would be done')
    .option('-y, --yes', 'do not ask')
    .option('--no-wait', 'do not watch it')
    .addHelpText(
      'after',
      '\nClients are shut out for well below a second, at the end. Ctrl-C ends the watching, not the switchover.',
    )
    .action(switchover);
}

async function switchover(options: SwitchoverOptions): Promise<void> {
  const { run } = loadConfig(options.config).paths;
  const request: OperationRequest = {
    kind: 'switchover',
    to: options.to ?? null,
    at: options.at ?? null,
    drainMs: options.drain,
    force: options.force === true,
    drill: options.drill === true,
    by: whoAsks(),
    dryRun: false,
  };
  const plan = await showPlan(run, options.json, request);
  if (options.dryRun === true) {
    if (options.json === true) printJson(plan);
    exitAs(exitOfRefusal(plan.refusal));
    return;
  }
  if (plan.refusal === null) {
    await mustAgree(`Move the service from ${plan.from} to ${plan.to}?`, options);
  }
  // What was confirmed is what is asked for; what is to begin later takes the best of its time.
  const to = request.at === null ? plan.to : request.to;
  await runOperation(run, options.json, { ...request, to }, options.wait && options.at === undefined);
}
