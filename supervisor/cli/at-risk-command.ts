import { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import type { AtRiskAnswer } from '../control/at-risk.ts';
import { ask } from './ask.ts';
import { configOption } from './options.ts';
import { printAnswer } from './output.ts';
import { renderAtRisk } from './render-at-risk.ts';

export function atRiskCommand(): Command {
  return new Command('at-risk')
    .description('which host lacks which of the files that clients were told are stored')
    .addOption(configOption())
    .addHelpText(
      'after',
      `
Hosts of the in-sync set have everything. Of the others the leader tells what was changed since the moment up to which
they are known to have everything, so a file that was lacking and has arrived since is told until all before it has. On
the leader itself it is as of now, with up to 1,000 names; on other hosts as the leader told it last, seconds ago, with
up to 100. While nobody leads it is what the last leader told before it went: what it acknowledged after that is not
in it.`,
    )
    .action(atRisk);
}

async function atRisk({ config, json }: { config: string; json?: boolean }): Promise<void> {
  const answer = await askAtRisk(loadConfig(config).paths.run, json);
  printAnswer(json, answer, () => renderAtRisk(answer));
}

/** @throws as `callControl` */
export function askAtRisk(run: string, json: boolean | undefined): Promise<AtRiskAnswer> {
  return ask<AtRiskAnswer>(run, json, 'GET', '/v1/replication/at-risk');
}
