import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Operation } from '../../../../../supervisor/core/records/operation.ts';
import { Host, leaderOf, liveNode, timing } from '../leadership/host.ts';
import { operationOf } from '../leadership/operations.ts';

const asked = (parts: Partial<Operation> = {}) =>
  operationOf({ kind: 'failover', from: null, to: 'a', epoch: 0, dueAtMs: 10_000, ...parts });
const running = (parts: Partial<Operation> = {}) => asked({ state: 'running', modRevision: 301, ...parts });
const nodes = [liveNode('a'), liveNode('b'), liveNode('c')];

describe('a failover, on its target', () => {
  const told = (host: Host) => {
    const report = host.order('operation')?.report;
    return `${report?.state} ${report?.outcome?.code}`;
  };
  /** The leader key is this host's by the operation. */
  const promoted = () => {
    const host = new Host().ready().takesUp(asked(), { nodes });
    host.see({ type: 'leader-written', leader: { ...leaderOf('a', 320), operationId: '0123abcd' } });
    return host;
  };

  it('is written down as running before anything is done, and the claim goes by that record', () => {
    const host = new Host('a', true).ready().read({ operation: asked() });
    assert.equal(told(host), 'running undefined');
    assert.equal(host.order('leadership')?.want, undefined, 'no claim yet');
    host.read({ operation: running() });
    const order = host.order('leadership');
    assert.ok(order?.want === 'claim');
    assert.deepEqual([order.operationId, order.claim.operationModRevision], ['0123abcd', 301]);
  });

  it('is done once the host serves', () => {
    const host = promoted();
    const leader = { ...leaderOf('a', 320), operationId: '0123abcd' };
    host.see({ type: 'vip-free', epoch: 320 });
    host.see({ type: 'vip-present', epoch: 320 });
    host.see({ type: 'announced', epoch: 320 });
    host.see({ type: 'node-starting', epoch: 320 });
    host.see({ type: 'node-listening', epoch: 320 });
    host.replicator('leader', 320);
    assert.equal(told(host), 'done TAKEN_OVER');
    host.read({ leader, nodes, operation: running({ state: 'done', epoch: 320 }), revision: 330 });
    assert.equal(host.order('operation'), undefined);
  });

  it('is not done by a leadership that did not come of it', () => {
    const host = new Host().ready().takesUp(asked(), { nodes });
    host.leading(320);
    assert.equal(host.phase, 'leading');
    host.read({ leader: leaderOf('a', 320), nodes, operation: running(), revision: 330 });
    assert.equal(told(host), 'failed OPERATION_INTERRUPTED');
  });

  it('fails with the one promotion that came of it, says why, and is not tried again', () => {
    const host = promoted();
    const cause = { code: 'VIP_IN_USE', sentence: 'a stranger has it' };
    host.see({ type: 'vip-failed', epoch: 320, cause });
    assert.equal(host.phase, 'stepping-down');
    host.see({ type: 'vip-absent' });
    host.see({ type: 'leader-released', epoch: 320, leader: null });
    assert.equal(host.phase, 'standby');
    assert.equal(told(host), 'failed VIP_IN_USE');
    host.read({ nodes, operation: running(), revision: 330 });
    assert.equal(told(host), 'failed VIP_IN_USE', 'until etcd says so');
    host.pass(100);
    assert.equal(host.order('leadership'), undefined, 'backoff holds');
  });

  it('is not made when it was called off before the claim', () => {
    const host = new Host('a', true).ready().takesUp(asked(), { nodes });
    assert.equal(host.order('leadership')?.want, 'claim');
    host.read({ nodes, operation: running({ cancelledBy: 'root' }) });
    assert.equal(host.order('leadership'), undefined);
    assert.equal(told(host), 'cancelled OPERATION_CANCELLED');
  });

  it('ends when the target was started again in the middle of it', () => {
    const host = new Host().ready().read({ nodes, operation: running() });
    assert.equal(told(host), 'failed OPERATION_INTERRUPTED');
  });

  it('ends when the target cannot claim in time, or heard of it too late', () => {
    const unable = new Host().ready();
    unable.see({ type: 'health', unfit: [{ code: 'ROOT_UNUSABLE', sentence: '' }] });
    unable.takesUp(asked(), { nodes });
    assert.equal(unable.order('leadership'), undefined);
    unable.pass(timing.missedAfterMs + 1);
    assert.equal(told(unable), 'failed OPERATION_MISSED');
    const late = new Host().read({ nodes, operation: asked({ dueAtMs: 9999 - timing.missedAfterMs }) });
    assert.equal(told(late), 'failed OPERATION_MISSED');
  });

  it('is ended by another host when its target is gone', () => {
    const gone = nodes.filter(({ node }) => node !== 'a');
    const host = new Host('b').ready().read({ nodes: gone, operation: asked() });
    assert.equal(host.order('operation'), undefined, 'it may be back in a moment');
    host.pass(15_001).renew().read({ nodes: gone, operation: asked() });
    assert.equal(told(host), 'failed TARGET_AWAY');
    const back = new Host('b').ready().read({ nodes, operation: asked() });
    back.pass(15_001);
    assert.equal(back.order('operation'), undefined);
  });
});
