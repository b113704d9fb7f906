import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import { messageOf } from '#contracts/errors.ts';
import { loadConfig } from '../config/load.ts';
import { fetchStatus } from '../control/client.ts';
import { configOption } from './options.ts';
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
    .option('--json', 'machine-readable')
    .option('-w, --watch', 'show again every second until Ctrl-C')
    .action(showStatus);
}

async function showStatus({ config, json, watch }: StatusOptions): Promise<void> {
  const { run } = loadConfig(config).paths;
  const once = async () => {
    const status = await fetchStatus(run);
    return json === true ? `${JSON.stringify(status, null, watch === true ? 0 : 2)}\n` : renderStatus(status);
  };
  if (watch !== true) {
    process.stdout.write(await once());
    return;
  }
  process.on('SIGINT', () => process.exit(0));
  const clear = process.stdout.isTTY && json !== true ? '\x1b[H\x1b[2J' : '';
  for (;;) {
    // A supervisor that restarts while being watched is what one watches for.
    const text = await once().catch((error) => `${messageOf(error)}\n`);
    process.stdout.write(clear + text);
    await delay(1000);
  }
}
