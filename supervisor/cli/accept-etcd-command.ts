import { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import type { RestoredPlan } from '../core/restored/plan.ts';
import { ask } from './ask.ts';
import { exitOfRefusal } from './exit-codes.ts';
import { configOption } from './options.ts';
import { exitAs, narrator, printAnswer, printJson } from './output.ts';
import { mustAgree, mustRiskData, whoAsks } from './person.ts';
import { renderRestored } from './render-restored.ts';

interface AcceptOptions {
  config: string;
  json?: boolean;
  dryRun?: boolean;
  yes?: boolean;
  yesLoseData?: boolean;
}

export function acceptEtcdCommand(): Command {
  return new Command('accept-etcd')
    .description('go on with an etcd that was restored from an older snapshot')
    .addOption(configOption())
    .option('--dry-run', 'only show what each host holds and who may lead then')
    .option('-y, --yes', 'do not ask, if every known host is there')
    .option('--yes-lose-data', 'do not ask, also when hosts are away that may hold more than the others')
    .addHelpText(
      'after',
      `
Nobody leads on an etcd that went back: it may not know who holds everything that was acknowledged. This command
makes the hosts that hold most the ones that may lead, and begins a new era of epochs. Bring every host up first.`,
    )
    .action(accept);
}

async function accept(options: AcceptOptions): Promise<void> {
  const { cluster, paths } = loadConfig(options.config);
  const { json } = options;
  const plan = await ask<RestoredPlan>(paths.run, json, 'GET', '/v1/restored');
  narrator(json)(renderRestored(plan));
  if (options.dryRun === true) {
    if (json === true) printJson(plan);
    exitAs(exitOfRefusal(plan.refusal));
    return;
  }
  if (plan.refusal === null) await confirm(options, plan, cluster);
  await ask(paths.run, json, 'POST', '/v1/restored/accept', { by: whoAsks(), members: plan.members });
  printAnswer(
    json,
    { accepted: plan.members },
    () => `accepted: one of ${plan.members.join(', ')} takes over (see \`holdfast status\`)`,
  );
}

async function confirm(options: AcceptOptions, { members, away }: RestoredPlan, cluster: string) {
  if (options.yesLoseData) return;
  if (away.length > 0) {
    const text = `${away.join(', ')} may hold files that clients were told are stored.`;
    await mustRiskData(text, cluster, options.json);
  } else await mustAgree(`Go on with ${members.join(', ')}?`, options);
}
