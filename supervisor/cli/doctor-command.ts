import { Command } from 'commander';
import { watchdogOf } from '../adapters/kernel/watchdog.ts';
import { loadConfig } from '../config/load.ts';
import { examineEtcd } from '../doctor/etcd.ts';
import type { Finding } from '../doctor/finding.ts';
import { examineHealth, examineSecrets, examineSupervisor } from '../doctor/host.ts';
import { examineSettings } from '../doctor/settings.ts';
import { configOption } from './options.ts';
import { printLine } from './person.ts';

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('look at this host: what is wrong, where, and what to do; exits 1 when something is')
    .addOption(configOption())
    .option('--json', 'machine-readable')
    .addHelpText(
      'after',
      '\nChanges nothing, and may be run at any time. Warnings, as of a certificate that ends within 30 days, exit 0.',
    )
    .action(async ({ config: file, json }: { config: string; json?: boolean }) => {
      const config = loadConfig(file);
      const findings = [
        await examineSupervisor(config),
        ...(await examineSettings(config)),
        ...(await examineEtcd(config)),
        ...(await examineHealth(config, watchdogOf(config))),
        ...examineSecrets(config),
      ];
      if (json) printLine(JSON.stringify(findings, null, 2));
      else for (const line of findings.flatMap(linesOf)) printLine(line);
      process.exitCode = findings.some(({ level }) => level === 'error') ? 1 : 0;
    });
}

const signs = { ok: 'ok     ', warning: 'WARNING', error: 'ERROR  ' };

function linesOf({ level, about, code, what, advice }: Finding): string[] {
  if (level === 'ok') return [`${signs.ok}  ${about}: ${what}`];
  return [`${signs[level]}  ${code}: ${what}`, ...(advice === '' ? [] : [`         ${advice}`])];
}
