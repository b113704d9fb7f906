import { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { examine } from '../doctor/examine.ts';
import type { Finding } from '../doctor/finding.ts';
import { configOption } from './options.ts';
import { exitAs, printAnswer } from './output.ts';
import { whileWaiting } from './progress.ts';

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('look at this host and the service: what is wrong, where, and what to do')
    .addOption(configOption())
    .option('--cluster', 'at the other hosts too, by what they tell in etcd')
    .addHelpText(
      'after',
      `
Changes nothing, and may be run at any time. Exits 1 when something is wrong. Warnings, as of a certificate that ends
within 30 days, exit 0.`,
    )
    .action(async ({ config, json, cluster }: { config: string; json?: boolean; cluster?: boolean }) => {
      const looking = examine(loadConfig(config), cluster === true);
      const findings = await whileWaiting('looking at this host and the etcd members', json, looking);
      printAnswer(json, findings, () => renderFindings(findings));
      if (findings.some(({ level }) => level === 'error')) exitAs('failed');
    });
}

const signs = { ok: 'ok     ', warning: 'WARNING', error: 'ERROR  ' };

export function renderFindings(findings: readonly Finding[]): string {
  return findings.flatMap(linesOf).join('\n');
}

function linesOf({ level, about, code, what, advice }: Finding): string[] {
  if (level === 'ok') return [`${signs.ok}  ${about}: ${what}`];
  return [`${signs[level]}  ${code}: ${what}`, ...(advice === '' ? [] : [`         ${advice}`])];
}
