import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HistoryRecord } from '../../supervisor/core/records/history.ts';
import type { AddressWatch } from './address-watch.ts';
import type { LabHost } from './host.ts';
import type { Lab } from './lab.ts';
import type { ServiceWatch } from './service-watch.ts';
import { UploadLoad } from './upload-load.ts';

/** What looks on while something is done to a lab. */
export interface Onlookers {
  readonly load: UploadLoad;
  readonly watch: AddressWatch;
  readonly service: ServiceWatch;
}

/**
 * Does something to a lab while partners upload files, one asks every millisecond who serves, and a watch asks who has
 * the virtual IP. Asserts what holds whatever was done: in the end one host leads and all are in sync, every
 * acknowledged file is on every host (G3), at no time did two hosts have the address (G2), and hosts served and
 * acknowledged one after the other as they led, never one again after its successor (G1).
 * @returns the leader
 */
export async function underScrutiny(
  lab: Lab,
  fault: (onlookers: Onlookers) => Promise<void>,
): Promise<LabHost> {
  const { epoch } = await (await lab.waitForLeader()).status();
  const watch = await lab.watchAddress();
  const service = await lab.watchService();
  const load = new UploadLoad(lab.client, lab.vipV4);
  load.start();
  try {
    await load.more(1);
    await fault({ load, watch, service });
    await load.more(1);
  } finally {
    await load.stop();
    await service.stop();
    await watch.stop();
  }
  const leader = await lab.waitForService();
  for (const host of lab.hosts) {
    assert.deepEqual(load.missingOn(host), [], `lost on ${host.name}`);
    assert.deepEqual(missingOn(host, service), [], `lost on ${host.name}`);
  }
  assert.deepEqual(watch.doubled, [], 'two hosts had the address at once');
  assert.ok(watch.holders.size > 0, 'the watch saw the address');
  assert.equal(await outOfTurn(lab, leader, service, epoch), null);
  return leader;
}

/** The files whose write the service watch was told is a success, and that the host lacks or has otherwise. */
export function missingOn(host: LabHost, { acknowledged }: ServiceWatch): string[] {
  const path = (name: string) => join(host.filesRoot, 'alice', name);
  const isThere = (name: string) => existsSync(path(name)) && readFileSync(path(name), 'utf8') === name;
  return acknowledged.map(({ name }) => name).filter((name) => !isThere(name));
}

/**
 * Those that answered, and those that acknowledged, are hosts that led since `epoch`, in that order.
 * @returns null, or what was out of turn
 */
export async function outOfTurn(
  lab: Lab,
  leader: LabHost,
  service: ServiceWatch,
  epoch: number,
): Promise<string | null> {
  const { text } = await leader.holdfast('history', '--json', '--last', '200');
  const history: HistoryRecord[] = JSON.parse(text);
  const led = history
    .filter((record) => record.epoch >= epoch)
    .sort((a, b) => a.epoch - b.epoch)
    .map(({ node }) => node);
  const names = new Map<string, string>();
  for (const host of lab.hosts) names.set(await host.network.macAddress(), host.name);
  const nameOf = (mac: string) => names.get(mac) ?? mac;
  const evidence = () =>
    JSON.stringify({ led, turns: service.turns.map((turn) => ({ ...turn, host: nameOf(turn.mac) })) });
  const answered = service.turns.map(({ mac }) => nameOf(mac));
  if (!isInOrder(answered, led)) return `the order of those that answered: ${evidence()}`;
  const acknowledged = service.acknowledged.map(({ mac }) => nameOf(mac));
  const wrote = acknowledged.filter((name, index) => name !== acknowledged[index - 1]);
  if (!isInOrder(wrote, led))
    return `the order of those that acknowledged: ${wrote.join(', ')}; ${evidence()}`;
  return null;
}

/** Whether `part` is `whole` with some left out. */
function isInOrder(part: readonly string[], whole: readonly string[]): boolean {
  const rest = [...whole];
  return part.every((entry) => {
    const at = rest.indexOf(entry);
    rest.splice(0, at + 1);
    return at >= 0;
  });
}
