import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pino from 'pino';
import { Membership } from '../../../../supervisor/runtime/membership.ts';
import type { ClusterStore, MembershipRequest } from '../../../../supervisor/runtime/ports.ts';
import { Host, leaderOf, view } from '../core/leadership/host.ts';
import { noting } from './parts.ts';

const leader = leaderOf('a', 200);
const request: MembershipRequest = {
  ...{ type: 'membership', requestId: 1, epoch: 200, change: 'remove', nodeId: 'b', reason: 'late' },
};
const after = view({ leader, inSync: { members: ['a', 'c'], epoch: 200, reason: '', modRevision: 9 } });

/** What is done and told, in order. */
async function change(parts: Partial<MembershipRequest>, accepted: boolean) {
  const asked: unknown[][] = [];
  const host = new Host().leading(200).read({ leader });
  const membership = new Membership({
    store: noting<ClusterStore>(asked, { writeInSync: async () => accepted, read: async () => after }),
    state: () => host.state,
    onView: (read) => asked.push(['view', read.inSync?.modRevision]),
    onChanged: (epoch, members) => asked.push(['known', epoch, ...members]),
    log: pino({ level: 'silent' }),
  });
  return { result: await membership.change({ ...request, ...parts }), asked };
}

describe('changing the in-sync set for the replicator (G5)', () => {
  it('knows one who leaves as gone before it is out, and reads the set again', async () => {
    const { result, asked } = await change({}, true);
    assert.deepEqual(asked, [
      ['known', 200, 'a', 'c'],
      ['writeInSync', 200, ['a', 'c'], 'remove b: late', 7],
      ['known', 200, 'a', 'c'],
      ['read'],
      ['view', 9],
    ]);
    assert.deepEqual(result, { accepted: true, inSync: ['a', 'c'] });
  });

  it('knows one who joins as in only when it is', async () => {
    const joining = { change: 'add', nodeId: 'd' } as const;
    const { asked } = await change(joining, true);
    assert.deepEqual(
      asked.map(([what]) => what),
      ['writeInSync', 'known', 'read', 'view'],
    );
    const refused = await change(joining, false);
    assert.deepEqual(
      refused.asked.map(([what]) => what),
      ['writeInSync', 'read', 'view'],
    );
    assert.deepEqual(refused.result, { accepted: false, inSync: ['a', 'c'] });
  });

  it('changes nothing for another leadership', async () => {
    for (const epoch of [0, 150, 210]) {
      const { result, asked } = await change({ epoch }, true);
      assert.deepEqual([result, asked], [{ accepted: false, inSync: ['a', 'b', 'c'] }, []]);
    }
  });
});
