import { isStale, type Outlook, outlookOf } from '../control/outlook.ts';
import type { HostStatus, Status } from '../control/status.ts';
import { isOver, type Pause } from '../core/records/operation.ts';
import type { HealthFact } from '../runtime/ports.ts';
import { table } from './table.ts';

/** `holdfast status` for people. */
export function renderStatus(status: Status, outlook: Outlook = outlookOf(status)): string {
  return [pauseOf(status), summary(status, outlook), hostTable(status, outlook), notes(status, outlook)]
    .filter((part) => part !== '')
    .join('\n');
}

function pauseOf({ paused }: Status): string {
  if (paused === null) return '';
  return `*** ${pauseSentence(paused)} No other host takes over by itself. ***\n`;
}

export function pauseSentence({ by, at, reason }: Pause): string {
  return `PAUSED by ${by} since ${at}${reason === '' ? '' : `: ${reason}`}.`;
}

function summary(status: Status, { leader, asOf }: Outlook): string {
  const { cluster, vips, leaseLeftMs, node, phase, activity } = status;
  const lease =
    leaseLeftMs === null
      ? 'no lease'
      : leaseLeftMs > 0
        ? `lease ${(leaseLeftMs / 1000).toFixed(1)} s left`
        : 'its lease is over';
  const here =
    phase === 'leading' ? `, ${activity.sessions} session(s), ${activity.transfers} transfer(s)` : '';
  return `cluster ${cluster}: ${leader}
${asOf === null ? '' : `*** ${asOf} ***\n`}virtual IP ${vips.join(', ')}
this host ${node}: ${phase}, ${lease}${here}
`;
}

function hostTable(status: Status, { mayLead }: Outlook): string {
  const rows = status.hosts.map((host) => [
    host.node,
    roleOf(host, status),
    host.inSync ? 'yes' : 'no',
    `${host.position.epoch}/${host.position.sequence}`,
    behindOf(host),
    healthOf(host),
    // Why not is told below, with every reason.
    mayLead[host.node] ?? 'unknown',
  ]);
  return `${table(['Host', 'Role', 'In sync', 'Position', 'Behind', 'Health', 'May lead'], rows)}\n`;
}

/** Of another host, and of the one that led, only what it was. */
function roleOf({ node, role }: HostStatus, status: Status): string {
  if (!isStale(status)) return role;
  return node === status.node && status.phase !== 'leading' ? status.phase : `was ${role}`;
}

function behindOf({ replication }: HostStatus): string {
  if (replication === null) return '-';
  const { state, lagOperations, lagBytes } = replication;
  if (state !== 'streaming') return state;
  return lagOperations === 0 ? 'nothing' : sizeOf(lagBytes);
}

function sizeOf(bytes: number): string {
  return bytes < 10_000
    ? `${bytes} B`
    : bytes < 10_000_000
      ? `${Math.round(bytes / 1000)} kB`
      : `${Math.round(bytes / 1e6)} MB`;
}

function healthOf({ role, health }: HostStatus): string {
  if (role === 'away') return '?';
  const worst = health.some(({ level }) => level === 'bad') ? 'bad' : 'warn';
  return health.length === 0 ? 'ok' : health.length === 1 ? worst : `${worst} (${health.length})`;
}

function notes(status: Status, { warnings, nextSteps }: Outlook): string {
  const told = new Set(warnings.map(({ code }) => code));
  const lines = [
    ...warnings.map(({ code, sentence }) => `WARNING: ${code}: ${sentence}`),
    ...status.hosts.flatMap((host) =>
      host.ineligible.map((reason) => `${host.node}: ${reason.code}: ${reason.sentence}`),
    ),
    ...status.hosts.flatMap(resyncNote),
    ...healthNotes(status.hosts, told),
    ...operationNote(status),
    ...status.problems.map(({ key, what }) => `etcd key ${key}: ${what}`),
    ...nextStepLines({ nextSteps }),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** What several hosts find alike, as that an etcd member is away, is one line. */
function healthNotes(hosts: readonly HostStatus[], told: ReadonlySet<string>): string[] {
  const found = new Map<string, string[]>();
  const sentence = ({ name, level, code, detail }: HealthFact) =>
    `${name} ${level}: ${code === '' ? '' : `${code}: `}${detail}`;
  for (const { node, health } of hosts) {
    for (const fact of health) {
      if (told.has(fact.code)) continue;
      found.set(sentence(fact), [...(found.get(sentence(fact)) ?? []), node]);
    }
  }
  return [...found].map(([text, nodes]) => `${nodes.join(', ')}: ${text}`);
}

export function nextStepLines({ nextSteps }: Pick<Outlook, 'nextSteps'>): string[] {
  return nextSteps.map(({ command, why }) => `next: \`${command}\`: ${why}`);
}

function resyncNote({ node, resync }: HostStatus): string[] {
  if (resync === null) return [];
  const { uncertainNames, incompleteFiles, missingBytes, bytesPerSecond, secondsLeft } = resync;
  const names = uncertainNames === 0 ? [] : [`${uncertainNames} names to compare, with all below them`];
  const files =
    incompleteFiles === 0 ? [] : [`${sizeOf(missingBytes)} of ${incompleteFiles} files to fetch or compare`];
  const pace = bytesPerSecond === null ? '' : `, at ${sizeOf(bytesPerSecond)}/s`;
  const left = secondsLeft === null ? '' : `: ${durationOf(secondsLeft)} left for what is known of`;
  return [`${node}: resync: ${[...names, ...files].join(', ')}${pace}${left}`];
}

function durationOf(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`;
}

function operationNote({ operation }: Status): string[] {
  if (operation === null || isOver(operation)) return [];
  const { kind, id, to, state, step, at, requestedBy } = operation;
  const where = state === 'running' ? `at "${step}"` : at === null ? 'about to begin' : `to begin at ${at}`;
  return [`${kind} ${id} to ${to ?? 'the best candidate'}, asked for by ${requestedBy}: ${where}`];
}
