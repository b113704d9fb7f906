import { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import type { HistoryRecord } from '../core/records/history.ts';
import { ask } from './ask.ts';
import { configOption, parseCount } from './options.ts';
import { printAnswer } from './output.ts';
import { table } from './table.ts';

export function historyCommand(): Command {
  return new Command('history')
    .description('how each leadership came to be: cause, who asked, how long nobody served')
    .addOption(configOption())
    .option('-n, --last <count>', 'only the last ones', parseCount, 20)
    .action(async ({ config, json, last }: { config: string; json?: boolean; last: number }) => {
      const all = await ask<HistoryRecord[]>(loadConfig(config).paths.run, json, 'GET', '/v1/history');
      const records = all.slice(-last);
      printAnswer(json, records, () => renderHistory(records));
    });
}

export function renderHistory(records: readonly HistoryRecord[]): string {
  const rows = records.map(({ at, epoch, node, from, cause, ...gap }) => {
    const outage = renderOutage(gap);
    // To the second; `--json` has it as it was written.
    return [at.replace(/\.\d+Z$/, 'Z'), String(epoch), node, from?.node ?? '-', outage, cause.code];
  });
  const details = records.map(({ epoch, cause, phases, requestedBy }) => {
    const by = requestedBy === null ? '' : `, asked for by ${requestedBy}`;
    return `${epoch}: ${cause.sentence} (up in ${Math.round(phases.servingMs)} ms${by})`;
  });
  return [table(['Served at', 'Epoch', 'Leader', 'Before', 'Nobody served', 'Cause'], rows), ...details].join(
    '\n',
  );
}

/** A span where the end of the service was not seen: at least and at most. */
function renderOutage({
  outageMs,
  outageAtLeastMs,
}: Pick<HistoryRecord, 'outageMs' | 'outageAtLeastMs'>): string {
  if (outageMs === null) return '?';
  const [least, most] = [Math.round(outageAtLeastMs ?? outageMs), Math.round(outageMs)];
  return least === most ? `${most} ms` : `${least}-${most} ms`;
}
