import { Command, CommanderError } from 'commander';
import { HoldfastError } from '#contracts/errors.ts';
import { version } from '#contracts/version.ts';
import { acceptEtcdCommand } from './accept-etcd-command.ts';
import { clearCommand } from './clear-command.ts';
import { configCommand } from './config-command.ts';
import { doctorCommand } from './doctor-command.ts';
import { etcdCommand } from './etcd-command.ts';
import { exitOfError } from './exit-codes.ts';
import { failoverCommand } from './failover-command.ts';
import { fsmCommand } from './fsm-command.ts';
import { historyCommand } from './history-command.ts';
import { operationCommand } from './operation-command.ts';
import { exitAs, jsonOption, printError } from './output.ts';
import { passwordCommand } from './password-command.ts';
import { pauseCommand, resumeCommand } from './pause-command.ts';
import { releaseCommand } from './release-command.ts';
import { replayCommand } from './replay-command.ts';
import { replicationCommand } from './replication-command.ts';
import { statusCommand } from './status-command.ts';
import { supervisorCommand } from './supervisor-command.ts';
import { switchoverCommand } from './switchover-command.ts';
import { whyCommand } from './why-command.ts';

/** The whole command line. Subcommands load what they need when they run, so that each starts quickly. */
export function program(): Command {
  const whole = new Command('holdfast')
    .description('An SFTP service that stays up.')
    .version(version)
    .addCommand(statusCommand())
    .addCommand(whyCommand())
    .addCommand(doctorCommand())
    .addCommand(historyCommand())
    .addCommand(switchoverCommand())
    .addCommand(failoverCommand())
    .addCommand(operationCommand())
    .addCommand(pauseCommand())
    .addCommand(resumeCommand())
    .addCommand(acceptEtcdCommand())
    .addCommand(etcdCommand())
    .addCommand(clearCommand())
    .addCommand(replicationCommand())
    .addCommand(configCommand())
    .addCommand(passwordCommand())
    .addCommand(fsmCommand())
    .addCommand(replayCommand())
    .addCommand(supervisorCommand())
    .addCommand(releaseCommand());
  for (const command of allCommands(whole)) {
    command.exitOverride();
    command.showHelpAfterError(`(see \`${fullName(command)} --help\`)`);
    if (command.commands.length === 0) command.addOption(jsonOption());
  }
  return whole;
}

/** The command and all below it. */
export function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

/** `holdfast operation show` */
export function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

export async function runCommandLine(argv: readonly string[]): Promise<void> {
  const json = argv.includes('--json');
  const whole = program();
  if (json) for (const command of allCommands(whole)) command.configureOutput({ writeErr: () => {} });
  try {
    await whole.parseAsync([...argv]);
  } catch (error) {
    if (error instanceof CommanderError) endMisused(error, json);
    else {
      printError(error, json);
      exitAs(exitOfError(error));
    }
  }
}

/** The library has told people what is wrong already. Asked for help or the version, it has done what it should. */
function endMisused(error: CommanderError, json: boolean): void {
  if (error.exitCode === 0) return;
  const message =
    error.code === 'commander.help' ? 'a command is missing' : error.message.replace(/^error: /, '');
  if (json) printError(new HoldfastError('REQUEST_INVALID', message), json);
  exitAs('usage');
}
