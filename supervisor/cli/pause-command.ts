import { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { ask } from './ask.ts';
import { configOption } from './options.ts';
import { printAnswer } from './output.ts';
import { whoAsks } from './person.ts';

export function pauseCommand(): Command {
  return new Command('pause')
    .description('maintenance: no other host takes over by itself, until `holdfast resume`')
    .addOption(configOption())
    .option('--reason <text>', 'shown wherever the pause is shown', '')
    .addHelpText(
      'after',
      '\nThe leader goes on serving, and alone may take over again if it fails. Switchovers can still be asked for.',
    )
    .action(async ({ config, json, reason }: { config: string; json?: boolean; reason: string }) => {
      const by = whoAsks();
      await ask(loadConfig(config).paths.run, json, 'POST', '/v1/pause', { by, reason });
      printAnswer(
        json,
        { paused: { by, reason } },
        () => 'paused: no other host takes over by itself until `holdfast resume`',
      );
    });
}

export function resumeCommand(): Command {
  return new Command('resume')
    .description('end a pause')
    .addOption(configOption())
    .action(async ({ config, json }: { config: string; json?: boolean }) => {
      await ask(loadConfig(config).paths.run, json, 'POST', '/v1/resume', { by: whoAsks() });
      printAnswer(json, { paused: null }, () => 'hosts take over by themselves again');
    });
}
