import { Command } from 'commander';
import { HoldfastError } from '#contracts/errors.ts';
import { loadConfig } from '../config/load.ts';
import type { MendPlan } from '../core/records/mend.ts';
import { ask } from './ask.ts';
import { configOption } from './options.ts';
import { narrator, printAnswer } from './output.ts';
import { mustAgree, whoAsks } from './person.ts';

export function etcdCommand(): Command {
  return new Command('etcd')
    .description('what Holdfast keeps in etcd')
    .addCommand(
      new Command('mend')
        .description('show the keys that cannot be read, and take one out of the way')
        .argument('[key]', 'the key, as it is shown without an argument')
        .addOption(configOption())
        .option('-y, --yes', 'do not ask')
        .action(mend),
    );
}

interface MendOptions {
  config: string;
  json?: boolean;
  yes?: boolean;
}

async function mend(key: string | undefined, { config, json, yes }: MendOptions): Promise<void> {
  const { run } = loadConfig(config).paths;
  const plans = await ask<MendPlan[]>(run, json, 'GET', '/v1/etcd/mend');
  if (key === undefined) {
    const lines = plans.map((plan) => `${plan.key}: ${plan.what}\n  without it: ${plan.consequence}`);
    return printAnswer(json, plans, () => lines.join('\n') || 'every key of this cluster can be read');
  }
  // Problems are told with the whole key.
  const plan = plans.find((candidate) => candidate.key === key || key.endsWith(`/${candidate.key}`));
  if (plan === undefined) {
    const known = plans.map((candidate) => candidate.key).join(', ') || 'none';
    throw new HoldfastError('REQUEST_INVALID', `"${key}" is none of the keys that cannot be read: ${known}`);
  }
  narrator(json)(`${plan.key}: ${plan.what}`);
  await mustAgree(`Take it away? Then ${plan.consequence}.`, { yes, json });
  const { modRevision, consequence } = plan;
  await ask(run, json, 'POST', '/v1/etcd/mend', { by: whoAsks(), key: plan.key, modRevision });
  printAnswer(json, { mended: plan.key }, () => `done: ${consequence}`);
}
