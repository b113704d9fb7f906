import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { fetchStatus } from '../control/client.ts';
import { outlookOf } from '../control/outlook.ts';
import { askStatus } from './ask.ts';
import { exitCodes, exitOfVerdict } from './exit-codes.ts';
import { configOption } from './options.ts';
import { exitAs, printAnswer, printError } from './output.ts';
import { renderStatus } from './render-status.ts';

interface StatusOptions {
  config: string;
  json?: boolean;
  watch?: boolean;
}

export function statusCommand(): Command {
  return new Command('status')
    .description('show the hosts of the cluster as this host sees them')
    .addOption(configOption())
    .option('-w, --watch', 'show again every second until Ctrl-C')
    .addHelpText(
      'after',
      '\nExits 4 when nobody leads, and 5 when that is not known: etcd does not answer this host.',
    )
    .action(showStatus);
}

async function showStatus({ config, json, watch }: StatusOptions): Promise<void> {
  const { run } = loadConfig(config).paths;
  if (watch === true) return watchStatus(run, json === true);
  const status = await askStatus(run, json);
  const outlook = outlookOf(status);
  printAnswer(json, { ...status, outlook }, () => renderStatus(status, outlook));
  exitAs(exitOfVerdict(outlook.verdict));
}

/** For a program: one document a line. */
async function watchStatus(run: string, json: boolean): Promise<never> {
  process.on('SIGINT', () => process.exit(exitCodes.done));
  const clear = process.stdout.isTTY && !json ? '\x1b[H\x1b[2J' : '';
  for (;;) {
    try {
      const status = await fetchStatus(run);
      const outlook = outlookOf(status);
      const text = json ? `${JSON.stringify({ ...status, outlook })}\n` : renderStatus(status, outlook);
      process.stdout.write(clear + text);
    } catch (error) {
      // A supervisor that restarts while being watched is what one watches for.
      process.stdout.write(clear);
      printError(error, json);
    }
    await delay(1000);
  }
}
