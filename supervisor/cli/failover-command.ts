import { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import type { Plan } from '../core/operation/plan.ts';
import type { OperationRequest } from '../core/operation/request.ts';
import { isAboutRoots } from '../core/roots/agreement.ts';
import { askAtRisk } from './at-risk-command.ts';
import { exitOfRefusal } from './exit-codes.ts';
import { configOption, parseHost } from './options.ts';
import { exitAs, narrator, printJson } from './output.ts';
import { mustAgree, mustRiskData, whoAsks } from './person.ts';
import { renderAtRiskOf } from './render-at-risk.ts';
import { runOperation, showPlan } from './run-operation.ts';

interface FailoverOptions {
  config: string;
  json?: boolean;
  dryRun?: boolean;
  to?: string;
  force?: boolean;
  yes?: boolean;
  yesLoseData?: boolean;
}

export function failoverCommand(): Command {
  return new Command('failover')
    .description('make a host lead when nobody does and none may by itself')
    .addOption(configOption())
    .option('--to <host>', 'the host that is to lead; default: who holds most', parseHost)
    .option('--force', 'also a host that may lack files which clients were told are stored')
    .option('--dry-run', 'only show what would be done')
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
  const plan = await showPlan(run, options.json, request);
  const rootReason = reasonsOf(plan).find(({ code }) => isAboutRoots(code));
  const isTold = mayLack(plan) && rootReason === undefined;
  const lacking = isTold ? await askAtRisk(run, options.json).catch(() => null) : null;
  if (lacking !== null && plan.to !== null) narrator(options.json)(renderAtRiskOf(plan.to, lacking));
  if (rootReason !== undefined) {
    const sentence = `what ${plan.to} lacks is not known: its folders are not those that the cluster knows (${rootReason.code})`;
    narrator(options.json)(sentence);
  }
  if (options.dryRun === true) {
    if (options.json === true) printJson({ ...plan, atRisk: lacking });
    exitAs(exitOfRefusal(plan.refusal));
    return;
  }
  if (plan.refusal === null) await confirm(options, plan, config.cluster);
  // What was confirmed is what is asked for, whoever would be the best a moment later.
  await runOperation(run, options.json, { ...request, to: plan.to }, true);
}

async function confirm(options: FailoverOptions, plan: Plan, cluster: string): Promise<void> {
  if (options.force === true && mayLack(plan)) {
    if (options.yesLoseData === true) return;
    const text = `${plan.to} may lack files that clients were told are stored.`;
    await mustRiskData(text, cluster, options.json);
  } else {
    const yes = options.yes === true || options.yesLoseData === true;
    await mustAgree(`Make ${plan.to} lead?`, { yes, json: options.json });
  }
}

/** Whether the host that is to lead may lack what clients were told is stored. */
function mayLack(plan: Plan): boolean {
  return reasonsOf(plan).some(({ code }) => code === 'NOT_IN_SYNC' || isAboutRoots(code));
}

/** Why the host that is to lead may not lead by itself. */
function reasonsOf({ candidates, to }: Plan) {
  return candidates.find(({ node }) => node === to)?.reasons ?? [];
}
