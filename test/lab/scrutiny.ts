import assert from 'node:assert/strict';
import type { AddressWatch } from './address-watch.ts';
import type { LabHost } from './host.ts';
import type { Lab } from './lab.ts';
import { UploadLoad } from './upload-load.ts';

/** What looks on while something is done to a lab. */
export interface Onlookers {
  readonly load: UploadLoad;
  readonly watch: AddressWatch;
}

/**
 * Does something to a lab while partners upload files and a watch asks who has the virtual IP. Asserts what holds
 * whatever was done: in the end one host leads and all are in sync, every acknowledged file is on every host (G3), and
 * at no time did two hosts have the address (G2).
 * @returns the leader
 */
export async function underScrutiny(
  lab: Lab,
  fault: (onlookers: Onlookers) => Promise<void>,
): Promise<LabHost> {
  const watch = await lab.watchAddress();
  const load = new UploadLoad(lab.client, lab.vipV4);
  load.start();
  try {
    await load.more(1);
    await fault({ load, watch });
    await load.more(1);
  } finally {
    await load.stop();
    await watch.stop();
  }
  const leader = await lab.waitForService();
  for (const host of lab.hosts) assert.deepEqual(load.missingOn(host), [], `lost on ${host.name}`);
  assert.deepEqual(watch.doubled, [], 'two hosts had the address at once');
  assert.ok(watch.holders.size > 0, 'the watch saw the address');
  return leader;
}
