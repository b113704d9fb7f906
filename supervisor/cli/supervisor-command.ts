import { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { exitCodes } from './exit-codes.ts';
import { configOption } from './options.ts';

export function supervisorCommand(): Command {
  return new Command('supervisor')
    .description('run the supervisor of this host (systemd starts this)')
    .addOption(configOption())
    .addHelpText('after', '\nIts log is JSON, one line each, where standard output is no terminal.')
    .action(async ({ config }: { config: string }) => {
      const checked = loadConfig(config);
      const { runSupervisor } = await import('../main.ts');
      await runSupervisor(checked);
      // What is still open here (a socket to etcd, a timer) must not hold up the stop.
      process.exit(exitCodes.done);
    });
}
