import { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { callControl } from '../control/client.ts';
import { configOption } from './options.ts';
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
    .action(async ({ config, reason }: { config: string; reason: string }) => {
      await callControl(loadConfig(config).paths.run, 'POST', '/v1/pause', { by: whoAsks(), reason });
      process.stdout.write('paused: no other host takes over by itself until `holdfast resume`\n');
    });
}

export function resumeCommand(): Command {
  return new Command('resume')
    .description('end a pause')
    .addOption(configOption())
    .action(async ({ config }: { config: string }) => {
      await callControl(loadConfig(config).paths.run, 'POST', '/v1/resume', { by: whoAsks() });
      process.stdout.write('hosts take over by themselves again\n');
    });
}
