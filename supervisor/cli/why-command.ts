import { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { adviceOn, isStale, type Outlook, outlookOf } from '../control/outlook.ts';
import type { HostStatus, Status } from '../control/status.ts';
import { askStatus } from './ask.ts';
import { exitOfVerdict } from './exit-codes.ts';
import { mustBeKnown } from './known-host.ts';
import { configOption } from './options.ts';
import { exitAs, printAnswer } from './output.ts';
import { nextStepLines, pauseSentence } from './render-status.ts';

export function whyCommand(): Command {
  return new Command('why')
    .description(
      'why the leader leads, why each other host may or may not, and what would happen if it died now',
    )
    .argument('[host]', 'only this one')
    .addOption(configOption())
    .addHelpText(
      'after',
      '\nExits 4 when nobody leads, and 5 when that is not known: etcd does not answer this host.',
    )
    .action(async (host: string | undefined, { config, json }: { config: string; json?: boolean }) => {
      const status = await askStatus(loadConfig(config).paths.run, json);
      if (host !== undefined) mustBeKnown(host, status);
      const outlook = outlookOf(status);
      printAnswer(json, whyOf(status, outlook, host), () => renderWhy(status, host).join('\n'));
      exitAs(exitOfVerdict(outlook.verdict));
    });
}

/** The same for a program: each reason with what to do about it. */
function whyOf(status: Status, outlook: Outlook, only?: string) {
  const hosts = hostsOf(status, only).map(({ node, role, inSync, ineligible }) => ({
    node,
    role,
    inSync,
    mayLead: outlook.mayLead[node],
    reasons: ineligible.map((reason) => ({ ...reason, advice: adviceOn(reason.code) })),
  }));
  return { view: status.view, paused: status.paused, outlook, hosts };
}

export function renderWhy(status: Status, only?: string): string[] {
  const outlook = outlookOf(status);
  return [
    ...leaderLines(status, outlook),
    ...hostsOf(status, only).flatMap((host) => hostLines(host, status, outlook)),
    ...(only === undefined ? [outlook.succession] : []),
    ...outlook.warnings.flatMap(({ code, sentence }) => [
      `WARNING: ${code}: ${sentence}.`,
      ...adviceLines(code),
    ]),
    ...nextStepLines(outlook),
  ];
}

function hostsOf({ hosts }: Status, only?: string): readonly HostStatus[] {
  return hosts.filter(({ node }) => only === undefined || node === only);
}

function leaderLines(status: Status, { leader, asOf }: Outlook): string[] {
  const { paused, inSync } = status;
  const members = inSync.join(', ') || 'none';
  const holds = isStale(status)
    ? `Hosts that held all that was acknowledged then: ${members}.`
    : `Hosts that hold all that was acknowledged: ${members}.`;
  return [
    leader,
    ...(asOf === null ? [] : [`*** ${asOf} ***`]),
    ...(paused === null ? [] : [pauseSentence(paused)]),
    ...(status.view.ageMs === null ? [] : [holds]),
  ];
}

function hostLines({ node, role, ineligible }: HostStatus, status: Status, { mayLead }: Outlook): string[] {
  const then = isStale(status) && node !== status.node;
  const away =
    role === 'away'
      ? [`${node} ${then ? 'was' : 'is'} away: it ${then ? 'held' : 'holds'} no lease at etcd.`]
      : [];
  const reasons = ineligible.flatMap(({ code, sentence }) => [
    `${node} ${then ? 'might' : 'may'} not lead: ${code}: ${sentence}.`,
    ...adviceLines(code),
  ]);
  if (away.length + reasons.length > 0) return [...away, ...reasons];
  if (mayLead[node] === 'unknown') return [`Whether ${node} may lead is not known.`];
  return [role === 'leader' ? `${node} may go on leading.` : `${node} may lead.`];
}

function adviceLines(code: string): string[] {
  const advice = adviceOn(code);
  return advice === '' ? [] : [`  ${advice}`];
}
