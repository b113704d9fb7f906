import { Command } from 'commander';
import { HoldfastError } from '#contracts/errors.ts';
import { loadConfig } from '../config/load.ts';
import { ask, askStatus } from './ask.ts';
import { atRiskCommand } from './at-risk-command.ts';
import { configOption } from './options.ts';
import { narrator, printAnswer } from './output.ts';
import { mustAgree, whoAsks } from './person.ts';
import { quarantineCommand } from './quarantine-command.ts';

interface AcceptOptions {
  config: string;
  json?: boolean;
  yes?: boolean;
}

export function replicationCommand(): Command {
  return new Command('replication')
    .description('how this host comes to hold what the leader holds')
    .addCommand(atRiskCommand())
    .addCommand(acceptRemovalCommand())
    .addCommand(quarantineCommand());
}

function acceptRemovalCommand(): Command {
  return new Command('accept-removal')
    .description('let the comparison that waits take away the files that the leader does not have')
    .addOption(configOption())
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      `
For RESYNC_REMOVES_MUCH, on the host that says so. Make sure first that the leader has not lost these files: this host
may hold the last copies. They are moved to quarantine (see \`holdfast replication quarantine list\`).`,
    )
    .action(acceptRemoval);
}

async function acceptRemoval({ config, json, yes }: AcceptOptions): Promise<void> {
  const { run } = loadConfig(config).paths;
  const { heldRemoval } = await askStatus(run, json);
  if (heldRemoval === null) throw new HoldfastError('NO_REMOVAL', 'no comparison of this host waits');
  const { files, of, leader } = heldRemoval;
  narrator(json)(`${leader} does not have ${files} of the ${of} files of this host.`);
  await mustAgree('Move them to quarantine?', { yes, json });
  await ask(run, json, 'POST', '/v1/replication/accept-removal', { by: whoAsks(), files });
  printAnswer(
    json,
    { accepted: heldRemoval },
    () => 'accepted: the comparison goes on (see `holdfast status`)',
  );
}
