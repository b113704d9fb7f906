import { Command } from 'commander';
import { HoldfastError } from '#contracts/errors.ts';
import type { OperationRecord } from '../cluster/operation.ts';
import { loadConfig } from '../config/load.ts';
import { callControl, fetchStatus } from '../control/client.ts';
import type { Plan } from '../control/refusals.ts';
import type { OperationRequest } from '../control/requests.ts';
import { question, whoAsks } from './ask.ts';
import { BannerWatch } from './banner-watch.ts';
import { followOperation } from './follow.ts';
import { configOption, parseDuration, parseTime } from './options.ts';
import { renderPlan } from './render-operation.ts';

interface SwitchoverOptions {
  config: string;
  to?: string;
  at?: string;
  drain: number;
  dryRun?: boolean;
  yes?: boolean;
  wait: boolean;
}

export function switchoverCommand(): Command {
  return new Command('switchover')
    .description('move the service to another host, without losing anything')
    .addOption(configOption())
    .option('--to <host>', 'the host that takes over; default: the best candidate')
    .option(
      '--at <time>',
      'begin at this time (ISO 8601 with its offset: 2026-11-24T03:00:00+01:00)',
      parseTime,
    )
    .option('--drain <duration>', 'how long running transfers may take to end (30s, 5m)', parseDuration, 0)
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
    force: false,
    by: whoAsks(),
    dryRun: false,
  };
  const plan = await callControl<Plan>(run, 'POST', '/v1/operations', { ...request, dryRun: true });
  process.stdout.write(`${renderPlan(plan)}\n`);
  if (options.dryRun === true) {
    if (plan.refusal !== null) process.exitCode = 1;
    return;
  }
  if (plan.refusal === null && options.yes !== true) {
    const answer = await question(`Move the service from ${plan.from} to ${plan.to}? [y/N] `, '--yes');
    if (!/^y(es)?$/i.test(answer)) throw new HoldfastError('OPERATION_CANCELLED', 'not confirmed');
  }
  await runOperation(run, request, options.wait && options.at === undefined);
}

/** Asks for the operation, and watches it with the outage that clients see. */
export async function runOperation(run: string, request: OperationRequest, wait: boolean): Promise<void> {
  const print = (line: string) => process.stdout.write(`${line}\n`);
  const { vips, sftpPort } = await fetchStatus(run);
  const address = vips[0]?.split('/')[0] ?? '';
  const watch = new BannerWatch(address, sftpPort);
  if (wait) watch.start();
  try {
    const { id, kind, at } = await callControl<OperationRecord>(run, 'POST', '/v1/operations', request);
    print(`${kind} ${id}${at === null ? '' : ` is to begin at ${at}`}`);
    if (!wait) return;
    const ended = await followOperation(run, id, print);
    if (ended?.state !== 'done') process.exitCode = 1;
  } finally {
    const outageMs = wait ? await watch.end(request.kind === 'failover' ? 10_000 : 3000) : null;
    if (outageMs !== null) {
      print(
        `clients could not connect to ${address} for ${outageMs.toFixed(0)} ms (seen from this host, every 10 ms)`,
      );
    }
  }
}
