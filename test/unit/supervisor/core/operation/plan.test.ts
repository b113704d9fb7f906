import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planOf } from '../../../../../supervisor/core/operation/plan.ts';
import type { OperationRequest } from '../../../../../supervisor/core/operation/request.ts';
import { leaderOf, liveNode, view } from '../leadership/host.ts';
import { operationOf } from '../leadership/operations.ts';

const request: OperationRequest = {
  kind: 'failover',
  to: 'b',
  at: null,
  drainMs: 0,
  force: false,
  drill: false,
  by: 'root',
  dryRun: false,
};
const nodes = [liveNode('b'), liveNode('c')];
const left = operationOf({ state: 'running', step: 'draining' });

describe('the plan of an operation', () => {
  it('takes the place of one that a dead leader left unfinished', () => {
    assert.equal(planOf(request, view({ nodes, operation: left }), 0).refusal, null);
  });

  it('is refused while a leader works on another', () => {
    const plan = planOf(
      { ...request, kind: 'switchover' },
      view({ nodes, operation: left, leader: leaderOf('a', 200) }),
      0,
    );
    assert.equal(plan.refusal?.code, 'OPERATION_RUNNING');
  });

  it('is refused with the way out when the leader key cannot be read', () => {
    const leader = leaderOf('unreadable', 200, '0');
    for (const kind of ['switchover', 'failover'] as const) {
      const { refusal } = planOf({ ...request, kind }, view({ nodes, leader, unreadable: ['leader'] }), 0);
      assert.equal(refusal?.code, 'ETCD_VALUE_INVALID');
      assert.match(refusal?.sentence ?? '', /holdfast etcd mend leader/);
    }
  });

  it('goes by force alone where the in-sync set is lost', () => {
    const lost = { code: 'IN_SYNC_MISSING', sentence: '' };
    const cluster = view({ inSync: null, nodes: [liveNode('b', { ineligible: [lost] })] });
    assert.equal(planOf(request, cluster, 0).refusal?.code, 'TARGET_INELIGIBLE');
    assert.equal(planOf({ ...request, force: true }, cluster, 0).refusal, null);
  });
});
