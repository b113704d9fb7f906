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

  it('tells a host that is away from one that nobody knows', () => {
    const cluster = view({ nodes, inSync: { members: ['a', 'b'], epoch: 1, reason: '', modRevision: 7 } });
    const refusalOf = (to: string) => planOf({ ...request, to }, cluster, 0).refusal?.code;
    assert.equal(refusalOf('a'), 'TARGET_AWAY');
    assert.equal(refusalOf('x'), 'TARGET_UNKNOWN');
  });

  it('is for a time to come, and then looks at its target only at that time', () => {
    const unable = [liveNode('b', { ineligible: [{ code: 'DISK_LOW', sentence: '' }] })];
    const cluster = view({ nodes: unable, leader: leaderOf('a', 200) });
    const at = '2026-01-01T01:00:00Z';
    const refusalAt = (wallMs: number) =>
      planOf({ ...request, kind: 'switchover', at }, cluster, wallMs).refusal?.code;
    assert.equal(refusalAt(Date.parse(at) - 1), undefined);
    assert.equal(refusalAt(Date.parse(at)), 'REQUEST_INVALID');
    assert.equal(
      planOf({ ...request, kind: 'switchover' }, cluster, 0).refusal?.code,
      'TARGET_INELIGIBLE',
      'at once it is looked at now',
    );
  });

  it('of a failover names first who is in sync, and then who holds most', () => {
    const position = (sequence: number) => ({ epoch: 200, sequence });
    const among = [
      liveNode('b', { position: position(3) }),
      liveNode('c', { position: position(5) }),
      liveNode('d', { position: position(9) }),
    ];
    const order = planOf({ ...request, to: null, force: true }, view({ nodes: among }), 0).candidates;
    assert.deepEqual(
      order.map(({ node }) => node),
      ['c', 'b', 'd'],
    );
  });

  it('overrides by force what a host may lack, and not that it cannot serve', () => {
    const refusalFor = (code: string, force: boolean) =>
      planOf(
        { ...request, force },
        view({ nodes: [liveNode('b', { ineligible: [{ code, sentence: '' }] })] }),
        0,
      ).refusal?.code;
    const lacking = ['NOT_IN_SYNC', 'IN_SYNC_MISSING', 'ROOT_EMPTY', 'ROOT_FOREIGN', 'ROOT_BEHIND'];
    const unfit = ['SETTINGS_DIFFER', 'DISK_LOW', 'LINK_DOWN', 'CHECK_OVERDUE', 'CHECK_FAILED'];
    for (const code of [...lacking, ...unfit]) {
      assert.equal(refusalFor(code, false), 'TARGET_INELIGIBLE', code);
      assert.equal(refusalFor(code, true), undefined, code);
    }
    for (const code of ['NO_FAILOVER', 'BACKOFF', 'PROMOTIONS_FAILED']) {
      assert.equal(refusalFor(code, false), undefined, code);
    }
    for (const code of [
      'ETCD_WENT_BACK',
      'ROOT_UNUSABLE',
      'VIP_UNKNOWN',
      'REPLICATOR_DOWN',
      'HOST_KEY_INVALID',
    ]) {
      assert.equal(refusalFor(code, true), 'TARGET_INELIGIBLE', code);
    }
  });

  it('goes by force alone where the in-sync set is lost', () => {
    const lost = { code: 'IN_SYNC_MISSING', sentence: '' };
    const cluster = view({ inSync: null, nodes: [liveNode('b', { ineligible: [lost] })] });
    assert.equal(planOf(request, cluster, 0).refusal?.code, 'TARGET_INELIGIBLE');
    assert.equal(planOf({ ...request, force: true }, cluster, 0).refusal, null);
  });
});
