import type { HostAtRisk, NameAtRisk } from '#contracts/ipc/at-risk.ts';
import type { AtRiskAnswer } from '../control/at-risk.ts';
import type { TakenOverWithout } from '../core/records/at-risk.ts';
import { table } from './table.ts';

const words: Record<NameAtRisk['change'], string> = {
  stored: 'not there, or older',
  attributes: 'mode or times',
  removed: 'there still',
};

/** `holdfast replication at-risk` for people. */
export function renderAtRisk(answer: AtRiskAnswer): string {
  const { hosts, takenOverWithout } = answer;
  return [
    source(answer),
    inSyncLine(answer),
    ...hosts.map(renderHost),
    ...(takenOverWithout === null ? [] : [renderTakenOver(takenOverWithout)]),
  ].join('\n');
}

/** What one host may lack, before it is made to lead by force. */
export function renderAtRiskOf(nodeId: string, answer: AtRiskAnswer): string {
  const host = answer.hosts.find((candidate) => candidate.nodeId === nodeId);
  const lacks = host === undefined ? `of ${nodeId} nothing was told` : renderHost(host);
  return `${source(answer)}\n${lacks}`;
}

function source({ leader, told, isLive }: AtRiskAnswer): string {
  if (told === null) return 'no leader has told yet what other hosts lack';
  if (isLive) return `as ${told.by} knows now, which leads`;
  const when = `at ${told.at} (${seconds(told.ageMs)} ago)`;
  if (told.by === leader) return `as ${told.by} told ${when}, which leads`;
  return `as ${told.by} told ${when}, when it led; what was acknowledged since then is not in it`;
}

function inSyncLine({ mode, leader, inSync }: AtRiskAnswer): string {
  if (mode === 'shared') return 'all hosts use the same files';
  if (mode === 'async') {
    return `nothing waits for other hosts (async): what was acknowledged last may be on ${leader ?? 'the last leader'} alone`;
  }
  if (inSync.length === 0) return 'no host is known to have everything that was acknowledged';
  return `everything that was acknowledged is on ${inSync.join(', ')}`;
}

function renderHost({ nodeId, holds, names, total, isWhole, unknown }: HostAtRisk): string {
  const upTo = holds === null ? '' : `; it has everything up to ${holds.epoch}/${holds.sequence}`;
  if (unknown !== null) return `what ${nodeId} lacks is not known: ${unknown}${upTo}`;
  if (total === 0 && isWhole) return `${nodeId} lacks nothing${upTo}`;
  const count = `${isWhole ? '' : 'at least '}${total} ${total === 1 ? 'name' : 'names'}`;
  const rest = total - names.length;
  return [
    `${nodeId} may lack ${count}${upTo}`,
    ...(names.length === 0
      ? []
      : [
          table(
            ['There', 'Path'],
            names.map(({ change, path }) => [words[change], path]),
          ),
        ]),
    ...(rest > 0 ? [`and ${rest} more that changed before these`] : []),
  ].join('\n');
}

function renderTakenOver({ host, by, at, epoch }: TakenOverWithout): string {
  return [
    `${host.nodeId} was made to lead by force, at epoch ${epoch}. Before it, as ${by} told at ${at}:`,
    renderHost(host),
  ].join('\n');
}

function seconds(ms: number): string {
  return `${Math.max(0, Math.round(ms / 1000))} s`;
}
