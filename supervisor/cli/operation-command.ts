import { Command } from 'commander';
import { HoldfastError } from '#contracts/errors.ts';
import { loadConfig } from '../config/load.ts';
import { callControl, fetchStatus } from '../control/client.ts';
import { isOver, type OperationRecord } from '../core/records/operation.ts';
import { followOperation } from './follow.ts';
import { configOption } from './options.ts';
import { printLine, whoAsks } from './person.ts';
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
      printLine(json === true ? JSON.stringify(operation, null, 2) : renderOperation(operation));
      if (watch === true && !isOver(operation)) {
        await followOperation(run, operation.id, printLine);
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
      printLine(state === 'cancelled' ? `${id} is called off` : `${id} is being taken back`);
      if (state !== 'cancelled') await followOperation(run, id, printLine);
    });
}
