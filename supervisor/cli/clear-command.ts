import { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { callControl } from '../control/client.ts';
import { configOption } from './options.ts';
import { whoAsks } from './person.ts';

export function clearCommand(): Command {
  return new Command('clear')
    .description('let this host take over again after promotions that failed')
    .addOption(configOption())
    .addHelpText('after', '\nFor the reasons BACKOFF and PROMOTIONS_FAILED, once what they name is mended.')
    .action(async ({ config }: { config: string }) => {
      await callControl(loadConfig(config).paths.run, 'POST', '/v1/clear', { by: whoAsks() });
      process.stdout.write('failed promotions of this host are forgotten\n');
    });
}
