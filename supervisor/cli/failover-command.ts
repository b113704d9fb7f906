import { Command } from 'commander';
import { HoldfastError } from '#contracts/errors.ts';
import { loadConfig } from '../config/load.ts';
import type { Plan } from '../core/operation/plan.ts';
import type { OperationRequest } from '../core/operation/request.ts';
import { isAboutRoots } from '../core/roots/agreement.ts';
import { configOption } from './options.ts';
import { agrees, question, whoAsks } from './person.ts';
import { runOperation, showPlan } from './run-operation.ts';

interface FailoverOptions {
  config: string;
  to?: string;
  force?: boolean;
  yes?: boolean;
  yesLoseData?: boolean;
}

export function failoverCommand(): Command {
  return new Command('failover')
    .description('make a host lead when nobody does and none may by itself')
    .addOption(configOption())
    .option('--to <host>', 'the host that is to lead; default: who holds most')
    .option('--force', 'also a host that may lack files which clients were told are stored')
    .option('-y, --yes', 'do not ask (not with --force)')
    .option('--yes-lose-data', 'with --force: do not ask for the name of the cluster')
    .action(failover);
}

async function failover(options: FailoverOptions): Promise<void> {
  const config = loadConfig(options.config);
  const { run } = config.paths;
  const request: OperationRequest = {
    kind: 'failover',
    to: options.to ?? null,
    at: null,
    drainMs: 0,
    drill: false,
    force: options.force === true,
    by: whoAsks(),
    dryRun: false,
  };
  const plan = await showPlan(run, request);
  if (plan.refusal === null) await confirm(options, plan, config.cluster);
  await runOperation(run, request, true);
}

async function confirm(options: FailoverOptions, plan: Plan, cluster: string): Promise<void> {
  const lacks = plan.candidates
    .find(({ node }) => node === plan.to)
    ?.reasons.some(({ code }) => code === 'NOT_IN_SYNC' || isAboutRoots(code));
  if (options.force === true && lacks === true) {
    if (options.yesLoseData === true) return;
    const text = `${plan.to} may lack files that clients were told are stored.\nType the name of the cluster to go on: `;
    if ((await question(text, '--yes-lose-data')) === cluster) return;
  } else {
    if (options.yes === true || options.yesLoseData === true) return;
    if (await agrees(`Make ${plan.to} lead?`)) return;
  }
  throw new HoldfastError('OPERATION_CANCELLED', 'not confirmed');
}
