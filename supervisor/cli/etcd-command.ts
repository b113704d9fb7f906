import { Command } from 'commander';
import { HoldfastError } from '#contracts/errors.ts';
import { loadConfig } from '../config/load.ts';
import { callControl } from '../control/client.ts';
import type { MendPlan } from '../core/records/mend.ts';
import { configOption } from './options.ts';
import { agrees, printLine, whoAsks } from './person.ts';

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

async function mend(key: string | undefined, options: { config: string; yes?: boolean }): Promise<void> {
  const { run } = loadConfig(options.config).paths;
  const plans = await callControl<MendPlan[]>(run, 'GET', '/v1/etcd/mend');
  if (key === undefined) {
    for (const plan of plans) printLine(`${plan.key}: ${plan.what}\n  without it: ${plan.consequence}`);
    if (plans.length === 0) printLine('every key of this cluster can be read');
    return;
  }
  const plan = plans.find((candidate) => candidate.key === key);
  if (plan === undefined) throw new HoldfastError('REQUEST_INVALID', `the etcd key "${key}" can be read`);
  printLine(`${plan.key}: ${plan.what}`);
  if (options.yes !== true && !(await agrees(`Take it away? Then ${plan.consequence}.`))) {
    throw new HoldfastError('OPERATION_CANCELLED', 'not confirmed');
  }
  const { modRevision } = plan;
  await callControl(run, 'POST', '/v1/etcd/mend', { by: whoAsks(), key, modRevision });
  printLine(`done: ${plan.consequence}`);
}
