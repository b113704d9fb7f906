import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planMend } from '../../../../../supervisor/core/records/mend.ts';
import { leaderOf, liveNode, view } from '../leadership/host.ts';

describe('keys that cannot be read', () => {
  it('are told with what is wrong, and what follows without them', () => {
    const revisions = { ...view({}).revisions, paused: 12 };
    const problems = [{ key: '/holdfast/demo/paused', what: 'is not JSON' }];
    const [plan] = planMend(view({ unreadable: ['paused'], revisions, problems }));
    assert.deepEqual(
      [plan?.key, plan?.modRevision, plan?.what, plan?.era],
      ['paused', 12, 'is not JSON', null],
    );
    assert.match(plan?.consequence ?? '', /no pause is in force/);
  });

  it('are none as a rule', () => {
    assert.deepEqual(planMend(view({})), []);
  });

  it('leave an era in which no epoch goes back', () => {
    const led = view({ unreadable: ['era'], leader: leaderOf('a', 2_000_000_007) });
    assert.equal(planMend(led)[0]?.era, 2, "the leader's own");
    const nodes = [liveNode('b', { position: { epoch: 3_000_000_001, sequence: 1 } })];
    assert.equal(planMend(view({ unreadable: ['era'], nodes }))[0]?.era, 4, 'larger than all that are known');
    const restored = { seen: 5_000_000_002, found: 60, by: 'b', at: '2026-01-01T00:00:00.000Z' };
    assert.equal(planMend(view({ unreadable: ['era'], nodes, restored }))[0]?.era, 6, 'what was lost, too');
    assert.equal(
      planMend(view({ unreadable: ['era'], nodes, era: 7 }))[0]?.era,
      7,
      'nor before the one read',
    );
    const nobody = view({ unreadable: ['era', 'leader'], nodes, leader: leaderOf('unreadable', 9, '0') });
    assert.equal(planMend(nobody)[0]?.era, 4, 'a leader that cannot be read tells no era');
  });
});
