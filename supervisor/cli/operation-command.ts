import { Command } from 'commander';
import { HoldfastError } from '#contracts/errors.ts';
import { isOver, type OperationRecord } from '../cluster/operation.ts';
import { loadConfig } from '../config/load.ts';
import { callControl, fetchStatus } from '../control/client.ts';
import { whoAsks } from './ask.ts';
import { followOperation } from './follow.ts';
import { configOption } from './options.ts';
import { renderOperation } from './render-operation.ts';

export function operationCommand(): Command {
  return new Command('operation')
    .description('the switchover or failover that was asked for last')
    .addCommand(showCommand())
    .addCommand(cancelCommand());
}

function showCommand(): Command {
  return new Command('show')
    .description('show it')
    .addOption(configOption())
    .option('--json', 'machine-readable')
    .option('-w, --watch', 'watch it until it is over')
    .action(async ({ config, json, watch }: { config: string; json?: boolean; watch?: boolean }) => {
      const { run } = loadConfig(config).paths;
      const { operation } = await fetchStatus(run);
      if (operation === null) throw new HoldfastError('NO_OPERATION', 'nothing was asked for yet');
      process.stdout.write(
        json === true ? `${JSON.stringify(operation, null, 2)}\n` : `${renderOperation(operation)}\n`,
      );
      if (watch === true && !isOver(operation)) {
        await followOperation(run, operation.id, (line) => process.stdout.write(`${line}\n`));
      }
    });
}

function cancelCommand(): Command {
  return new Command('cancel')
    .description('call it off, as long as clients are not let go')
    .addOption(configOption())
    .action(async ({ config }: { config: string }) => {
      const { run } = loadConfig(config).paths;
      const { id, state } = await callControl<OperationRecord>(run, 'POST', '/v1/operations/cancel', {
        by: whoAsks(),
      });
      process.stdout.write(state === 'cancelled' ? `${id} is called off\n` : `${id} is being taken back\n`);
      if (state !== 'cancelled') await followOperation(run, id, (line) => process.stdout.write(`${line}\n`));
    });
}
