import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, messageOf } from '#contracts/errors.ts';
import type { Config } from '../../config/schema.ts';
import type { HealthFact } from '../../runtime/ports.ts';

/**
 * Whether something lies in quarantine: what only this host had when it joined another leader. A folder for each time
 * that it happened; nothing there is removed by the program.
 */
export async function quarantineFact({ paths }: Pick<Config, 'paths'>): Promise<HealthFact> {
  const name = 'quarantine';
  const root = join(paths.data, 'quarantine');
  try {
    const folders = (await readdir(root)).filter((entry) => !entry.startsWith('.')).sort(byTime);
    if (folders.length === 0) return { name, level: 'ok', code: '', detail: 'nothing' };
    const detail = `files that only this host had lie in ${root}: ${folders.length} folder(s), the last ${folders.at(-1)}`;
    return { name, level: 'warn', code: 'QUARANTINED', detail };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { name, level: 'ok', code: '', detail: 'nothing' };
    return {
      name,
      level: 'warn',
      code: 'QUARANTINED',
      detail: `${root} cannot be read: ${messageOf(error)}`,
    };
  }
}

/** They are named `<epoch>-<time>`. */
function byTime(a: string, b: string): number {
  const timeOf = (name: string) => name.slice(name.indexOf('-') + 1);
  return timeOf(a).localeCompare(timeOf(b));
}
