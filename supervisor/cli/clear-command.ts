import { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { ask } from './ask.ts';
import { configOption } from './options.ts';
import { printAnswer } from './output.ts';
import { whoAsks } from './person.ts';

export function clearCommand(): Command {
  return new Command('clear')
    .description('let this host take over again after promotions that failed')
    .addOption(configOption())
    .addHelpText('after', '\nFor the reasons BACKOFF and PROMOTIONS_FAILED, once what they name is mended.')
    .action(async ({ config, json }: { config: string; json?: boolean }) => {
      const { paths, node } = loadConfig(config);
      await ask(paths.run, json, 'POST', '/v1/clear', { by: whoAsks() });
      printAnswer(json, { cleared: node.id }, () => 'failed promotions of this host are forgotten');
    });
}
