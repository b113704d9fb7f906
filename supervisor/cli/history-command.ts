import Table from 'cli-table3';
import { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { callControl } from '../control/client.ts';
import type { HistoryRecord } from '../core/records/history.ts';
import { configOption } from './options.ts';

export function historyCommand(): Command {
  return new Command('history')
    .description('how each leadership came to be: cause, who asked, how long nobody served')
    .addOption(configOption())
    .option('--json', 'machine-readable')
    .option(
      '-n, --last <count>',
      'only the last ones',
      (text) => Math.max(1, Number.parseInt(text, 10) || 1),
      20,
    )
    .action(async ({ config, json, last }: { config: string; json?: boolean; last: number }) => {
      const all = await callControl<HistoryRecord[]>(loadConfig(config).paths.run, 'GET', '/v1/history');
      const records = all.slice(-last);
      process.stdout.write(json === true ? `${JSON.stringify(records, null, 2)}\n` : renderHistory(records));
    });
}

function renderHistory(records: readonly HistoryRecord[]): string {
  const table = new Table({
    head: ['Served at', 'Epoch', 'Leader', 'Before', 'Cause', 'Nobody served', 'Up in', 'By'],
    style: { head: [], border: [], compact: true },
  });
  for (const { at, epoch, node, from, cause, outageMs, phases, requestedBy } of records) {
    const outage = outageMs === null ? '?' : `${Math.round(outageMs)} ms`;
    const up = `${Math.round(phases.servingMs)} ms`;
    table.push([at, String(epoch), node, from?.node ?? '-', cause.code, outage, up, requestedBy ?? '-']);
  }
  const details = records.map(({ epoch, cause }) => `${epoch}: ${cause.sentence}`);
  return `${table.toString()}\n${details.join('\n')}\n`;
}
