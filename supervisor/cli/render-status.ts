import Table from 'cli-table3';
import type { HostStatus, Status } from '../control/status.ts';
import { isOver, type Pause } from '../core/records/operation.ts';

/** `holdfast status` for people. */
export function renderStatus(status: Status): string {
  return [pauseOf(status), summary(status), hostTable(status), notes(status)]
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

function summary({ cluster, leader, vips, leaseLeftMs, node, phase, activity }: Status): string {
  const lease = leaseLeftMs === null ? 'no lease' : `lease ${(leaseLeftMs / 1000).toFixed(1)} s left`;
  const leads =
    leader === null ? 'nobody leads' : `${leader.node} leads at epoch ${leader.epoch} since ${leader.since}`;
  const here =
    phase === 'leading' ? `, ${activity.sessions} session(s), ${activity.transfers} transfer(s)` : '';
  return `cluster ${cluster}: ${leads} (${leader?.cause ?? 'no leader'})
virtual IP ${vips.join(', ')}
this host ${node}: ${phase}, ${lease}${here}
`;
}

function hostTable({ hosts, leader }: Status): string {
  const table = new Table({
    head: ['Host', 'Role', 'In sync', 'Epoch', 'Position', 'Replication', 'Health', 'May lead'],
    style: { head: [], border: [], compact: true },
  });
  for (const host of hosts) {
    table.push([
      host.node,
      host.role,
      host.inSync ? 'yes' : 'no',
      host.role === 'leader' ? String(leader?.epoch ?? '') : String(host.position.epoch),
      String(host.position.sequence),
      replicationOf(host),
      healthOf(host),
      mayLead(host),
    ]);
  }
  return `${table.toString()}\n`;
}

function replicationOf({ replication }: HostStatus): string {
  if (replication === null) return '-';
  const { state, lagOperations, lagBytes } = replication;
  return state === 'streaming' ? `${state}, ${lagOperations} op ${lagBytes} B behind` : state;
}

function healthOf({ role, health }: HostStatus): string {
  if (role === 'away') return '?';
  if (health.length === 0) return 'ok';
  return [...new Set(health.map(({ name, level }) => `${name} ${level}`))].join(', ');
}

function mayLead({ role, ineligible }: HostStatus): string {
  if (role === 'away') return 'no: away';
  return ineligible.length === 0 ? 'yes' : `no: ${ineligible.map(({ code }) => code).join(', ')}`;
}

function notes(status: Status): string {
  const lines = [
    ...status.hosts.flatMap((host) =>
      host.ineligible.map((reason) => `${host.node}: ${reason.code}: ${reason.sentence}`),
    ),
    ...status.hosts.flatMap((host) =>
      host.health.map((fact) => `${host.node}: ${fact.name} ${fact.level}: ${fact.detail}`),
    ),
    ...operationNote(status),
    ...status.problems.map(({ key, what }) => `etcd key ${key}: ${what}`),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function operationNote({ operation }: Status): string[] {
  if (operation === null || isOver(operation)) return [];
  const { kind, id, to, state, step, at, requestedBy } = operation;
  const where = state === 'running' ? `at "${step}"` : at === null ? 'about to begin' : `to begin at ${at}`;
  return [`${kind} ${id} to ${to ?? 'the best candidate'}, asked for by ${requestedBy}: ${where}`];
}
