#!/usr/bin/env node
import { Command } from 'commander';
import { codeOf, HoldfastError, messageOf } from '#contracts/errors.ts';
import { version } from '#contracts/version.ts';
import { acceptEtcdCommand } from './accept-etcd-command.ts';
import { clearCommand } from './clear-command.ts';
import { configCommand } from './config-command.ts';
import { doctorCommand } from './doctor-command.ts';
import { failoverCommand } from './failover-command.ts';
import { fsmCommand } from './fsm-command.ts';
import { historyCommand } from './history-command.ts';
import { operationCommand } from './operation-command.ts';
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
  return new Command('holdfast')
    .description('An SFTP service that stays up.')
    .version(version)
    .showHelpAfterError('(see `holdfast --help`)')
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
    .addCommand(clearCommand())
    .addCommand(replicationCommand())
    .addCommand(configCommand())
    .addCommand(passwordCommand())
    .addCommand(fsmCommand())
    .addCommand(replayCommand())
    .addCommand(supervisorCommand())
    .addCommand(releaseCommand());
}

/** EX_CONFIG of sysexits.h: systemd does not start the service again before somebody has mended the file. */
const configurationExitCode = 78;

try {
  await program().parseAsync();
} catch (error) {
  if (error instanceof HoldfastError) {
    process.stderr.write(`holdfast: ${error.code}: ${error.message}\n  ${error.advice}\n`);
  } else {
    process.stderr.write(`holdfast: ${messageOf(error)}\n`);
  }
  const isConfiguration = ['CONFIG_UNREADABLE', 'CONFIG_INVALID'].includes(codeOf(error));
  process.exitCode = isConfiguration ? configurationExitCode : 1;
}
