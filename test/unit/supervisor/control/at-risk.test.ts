import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { atRiskOf } from '../../../../supervisor/control/at-risk.ts';
import type { AtRiskRecord } from '../../../../supervisor/core/records/at-risk.ts';
import { Host, leaderOf, view } from '../core/leadership/host.ts';

const record: AtRiskRecord = {
  ...{ by: 'c', epoch: 100, at: '2026-01-01T03:00:00.000Z', takenOverWithout: null },
  hosts: [{ nodeId: 'b', holds: null, names: [], total: 0, isWhole: false, unknown: 'it was away' }],
};
const clock = { bootTimeMs: () => 0, wallTimeIso: () => '2026-01-01T03:00:07.000Z' };

/** What host a answers. @param leader by the key in etcd */
function answer(state: Host['state'], leader: string | null, found: AtRiskRecord | null = record) {
  const here = {
    ...{ state, config: { node: { id: 'a' }, replication: { mode: 'sync' } } },
    replicator: { askAtRisk: async () => [] },
  };
  const cluster = view({ leader: leader === null ? null : leaderOf(leader, 200) });
  const store = { read: async () => cluster, readAtRisk: async () => ({ record: found, modRevision: 7 }) };
  return atRiskOf(here as never, store, clock);
}

describe('what a host answers about files at risk', () => {
  it('is of this moment where it leads', async () => {
    const { told, isLive, hosts } = await answer(new Host('a').leading(200).state, 'a');
    assert.deepEqual([told, isLive, hosts], [{ by: 'a', at: clock.wallTimeIso(), ageMs: 0 }, true, []]);
  });

  it('is what a leader told last where it does not lead, or not any more', async () => {
    for (const [host, leader] of [
      [new Host('a').ready(), 'c'],
      [new Host('a').ready(), null],
      [new Host('a').leading(200), 'c'],
    ] as const) {
      const told = await answer(host.state, leader);
      assert.deepEqual(told.told, { by: 'c', at: record.at, ageMs: 7000 });
      assert.deepEqual([told.leader, told.isLive, told.hosts], [leader, false, record.hosts]);
    }
  });

  it('is nothing while nobody has told', async () => {
    const { told, hosts, inSync } = await answer(new Host('a').ready().state, 'c', null);
    assert.deepEqual([told, hosts, inSync], [null, [], ['a', 'b', 'c']]);
  });
});
