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
async function change(
  parts: Partial<MembershipRequest>,
  accepted: boolean,
  host = new Host().leading(200).read({ leader }),
  found = after,
) {
  const asked: unknown[][] = [];
  const membership = new Membership({
    store: noting<ClusterStore>(asked, { writeInSync: async () => accepted, read: async () => found }),
    state: () => host.state,
    onView: (read) => asked.push(['view', read.inSync?.modRevision]),
    onChanged: (epoch, members) => {
      asked.push(['known', epoch, ...members]);
      host.see({ type: 'in-sync-changed', epoch, members: [...members] });
    },
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

  it('goes on from the set as it is known while the key is gone or cannot be read', async () => {
    const garbage = { members: [], epoch: 0, reason: '', modRevision: 12 };
    for (const [lost, modRevision] of [
      [{ inSync: null }, 0],
      [{ inSync: garbage, unreadable: ['insync'] as const }, 12],
    ] as const) {
      const host = () =>
        new Host()
          .leading(200)
          .read({ leader })
          .read({ leader, ...lost });
      const removed = await change({}, true, host());
      assert.deepEqual(removed.asked[0], ['writeInSync', 200, ['a', 'c'], 'remove b: late', modRevision]);
      const still = view({ leader, ...lost });
      const kept = await change({ change: 'add', nodeId: 'd' }, false, host(), still);
      assert.deepEqual(kept.result, { accepted: false, inSync: ['a', 'b', 'c'] });
      const refused = await change({}, false, host(), still);
      assert.deepEqual(refused.result, { accepted: false, inSync: ['a', 'b', 'c'] }, 'nobody is out yet');
      const refusedAsLost = host();
      refusedAsLost.read({ leader });
      const counts = await change({}, false, refusedAsLost, still);
      assert.deepEqual(counts.result, { accepted: false, inSync: ['a', 'b', 'c'] });
      assert.deepEqual(refusedAsLost.state.knownInSync, ['a', 'b', 'c'], 'and is written again with it');
      const lostMeanwhile = await change({}, true, undefined, still);
      assert.deepEqual(lostMeanwhile.result, { accepted: true, inSync: ['a', 'c'] });
    }
  });

  it('changes nothing for another leadership', async () => {
    for (const epoch of [0, 150, 210]) {
      const { result, asked } = await change({ epoch }, true);
      assert.deepEqual([result, asked], [{ accepted: false, inSync: ['a', 'b', 'c'] }, []]);
    }
  });
});
