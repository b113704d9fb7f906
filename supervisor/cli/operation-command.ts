import { Command } from 'commander';
import { HoldfastError } from '#contracts/errors.ts';
import { loadConfig } from '../config/load.ts';
import { isOver, type OperationRecord } from '../core/records/operation.ts';
import { ask, askStatus } from './ask.ts';
import { exitOfCancel, exitOfOperation } from './exit-codes.ts';
import { followOperation } from './follow.ts';
import { configOption } from './options.ts';
import { exitAs, narrator, printJson } from './output.ts';
import { whoAsks } from './person.ts';
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
    .option('-w, --watch', 'watch it until it is over, and exit as it ended')
    .action(async ({ config, json, watch }: { config: string; json?: boolean; watch?: boolean }) => {
      const { run } = loadConfig(config).paths;
      const tell = narrator(json);
      let { operation } = await askStatus(run, json);
      if (operation === null) throw new HoldfastError('NO_OPERATION', 'nothing was asked for yet');
      tell(renderOperation(operation));
      if (watch === true) {
        const ended = isOver(operation) ? operation : await followOperation(run, operation.id, tell);
        operation = ended ?? operation;
        exitAs(exitOfOperation(ended));
      }
      if (json === true) printJson(operation);
    });
}

function cancelCommand(): Command {
  return new Command('cancel')
    .description('call it off, as long as clients are not let go')
    .addOption(configOption())
    .action(async ({ config, json }: { config: string; json?: boolean }) => {
      const { run } = loadConfig(config).paths;
      const tell = narrator(json);
      const by = whoAsks();
      const called = await ask<OperationRecord>(run, json, 'POST', '/v1/operations/cancel', { by });
      const isCancelled = called.state === 'cancelled';
      tell(isCancelled ? `${called.id} is called off` : `${called.id} is being taken back`);
      const ended = isCancelled ? called : await followOperation(run, called.id, tell);
      if (json === true) printJson(ended ?? called);
      exitAs(exitOfCancel(ended));
    });
}
