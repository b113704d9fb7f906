import { Command } from 'commander';
import { HoldfastError } from '#contracts/errors.ts';
import { loadConfig } from '../config/load.ts';
import { fetchStatus } from '../control/client.ts';
import type { HostStatus, Status } from '../control/status.ts';
import { configOption } from './options.ts';
import { pauseSentence } from './render-status.ts';

export function whyCommand(): Command {
  return new Command('why')
    .description(
      'why the leader leads, why each other host may or may not, and what would happen if it died now',
    )
    .argument('[host]', 'only this one')
    .addOption(configOption())
    .action(async (host: string | undefined, { config }: { config: string }) => {
      const status = await fetchStatus(loadConfig(config).paths.run);
      if (host !== undefined && !status.hosts.some(({ node }) => node === host)) {
        const names = status.hosts.map(({ node }) => node).join(', ');
        throw new HoldfastError('TARGET_UNKNOWN', `there is no host ${host} in this cluster: ${names}`);
      }
      process.stdout.write(`${renderWhy(status, host).join('\n')}\n`);
    });
}

export function renderWhy(status: Status, only?: string): string[] {
  const hosts = status.hosts.filter(({ node }) => only === undefined || node === only);
  return [
    ...leaderLines(status),
    ...hosts.flatMap(hostLines),
    ...(only === undefined ? [ifItDied(status)] : []),
  ];
}

function leaderLines({ leader, paused, inSync }: Status): string[] {
  const lead =
    leader === null
      ? 'Nobody leads.'
      : `${leader.node} leads at epoch ${leader.epoch} since ${leader.since}: ${leader.cause}.`;
  const pause = paused === null ? [] : [pauseSentence(paused)];
  return [lead, ...pause, `Hosts that hold all that was acknowledged: ${inSync.join(', ') || 'none'}.`];
}

function hostLines({ node, role, ineligible }: HostStatus): string[] {
  const away = role === 'away' ? [`${node} is away: it holds no lease at etcd.`] : [];
  const reasons = ineligible.map(({ code, sentence }) => `${node} may not lead: ${code}: ${sentence}.`);
  if (away.length + reasons.length > 0) return [...away, ...reasons];
  return [role === 'leader' ? `${node} may go on leading.` : `${node} may lead.`];
}

/** As the hosts would decide it: the in-sync, eligible one of the highest priority claims. */
function ifItDied({ leader, hosts, paused }: Status): string {
  if (leader === null) return 'Nobody is there to die.';
  const able = hosts
    .filter(({ role, ineligible, inSync }) => role === 'standby' && inSync && ineligible.length === 0)
    .sort((a, b) => b.priority - a.priority);
  const inThatCase = `If ${leader.node} died now,`;
  if (paused !== null) return `${inThatCase} nobody would take over, since the cluster is paused.`;
  if (able.length === 0) return `${inThatCase} nobody would take over: see \`holdfast failover\`.`;
  const best = able.filter(({ priority }) => priority === able[0]?.priority).map(({ node }) => node);
  return `${inThatCase} ${best.join(' or ')} would take over when its lease ends.`;
}
