import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Host, leaderOf, liveNode, timing } from './host.ts';
import { operationOf } from './operations.ts';

const pause = { by: 'root', at: '2026-01-01T00:00:00Z', reason: 'upgrade', leader: 'a' };
const outOfSync = { members: ['b'], epoch: 1, reason: '', modRevision: 9 };

describe('a claim', () => {
  it('is left to a host of higher priority that may lead, for as long as a claim takes', () => {
    const host = new Host().ready().read({ leader: leaderOf('b', 50) });
    const nodes = [liveNode('a'), liveNode('c', { priority: 200 })];
    host.read({ nodes });
    assert.equal(host.order('leadership'), undefined);
    host.pass(timing.precedenceMs);
    assert.equal(host.order('leadership')?.want, 'claim');
  });

  it('waits for nobody who may not lead or has no higher priority', () => {
    for (const rival of [
      liveNode('c', { priority: 100 }),
      liveNode('c', { priority: 200, ineligible: [{ code: 'DISK_LOW', sentence: '' }] }),
      liveNode('z', { priority: 200 }),
    ]) {
      const host = new Host().ready().read({ leader: leaderOf('b', 50) });
      host.read({ nodes: [rival] });
      assert.equal(host.order('leadership')?.want, 'claim', JSON.stringify(rival));
    }
  });

  it('is not made during a pause, but by the host that led', () => {
    assert.equal(new Host('b').ready().read({ paused: pause }).order('leadership'), undefined);
    assert.equal(new Host('a').ready().read({ paused: pause }).order('leadership')?.want, 'claim');
  });

  it('carries a pause over to the leader that an operator made', () => {
    const host = new Host('c').leading(320).read({ leader: leaderOf('c', 320), paused: pause });
    assert.deepEqual(host.order('pause'), { kind: 'pause', epoch: 320, leader: 'c' });
  });

  it('is made by an operator’s word during a pause, after failures, and with noFailover', () => {
    const operation = operationOf({ kind: 'failover', to: 'a', dueAtMs: 9000 });
    const host = new Host('a', true).ready().takesUp(operation, { paused: { ...pause, leader: 'b' } });
    assert.equal(host.order('leadership')?.want, 'claim');
    assert.equal(
      new Host('c', true).ready().takesUp(operation).order('leadership'),
      undefined,
      'not its word',
    );
  });

  it('is made without what was acknowledged by force alone, and then the host is the in-sync set (G5)', () => {
    const operation = operationOf({ kind: 'failover', to: 'a', dueAtMs: 9000 });
    const unforced = new Host('a').ready().takesUp(operation, { inSync: outOfSync });
    assert.equal(unforced.order('leadership'), undefined);
    const forced = new Host('a').ready().takesUp({ ...operation, force: true }, { inSync: outOfSync });
    const order = forced.order('leadership');
    assert.ok(order?.want === 'claim' && order.claim.alone);
  });

  it('is made by force where the in-sync set is lost, and then the host is the set', () => {
    const operation = operationOf({ kind: 'failover', to: 'a', force: true, dueAtMs: 9000 });
    const order = new Host('a').ready().takesUp(operation, { inSync: null }).order('leadership');
    assert.ok(order?.want === 'claim' && order.claim.alone);
  });

  it('keeps the in-sync set when a forced host is in it', () => {
    const operation = operationOf({ kind: 'failover', to: 'a', force: true, dueAtMs: 9000 });
    const order = new Host('a').ready().takesUp(operation).order('leadership');
    assert.ok(order?.want === 'claim' && !order.claim.alone);
  });

  it('is not forced while the host has no lease, or may still have the address', () => {
    const operation = operationOf({ kind: 'failover', to: 'a', force: true, dueAtMs: 9000 });
    const host = new Host('a').renew();
    host.see({ type: 'replicator-ready' });
    host.takesUp(operation);
    assert.equal(host.order('leadership'), undefined);
  });

  it('is not made by a word that is old', () => {
    const operation = operationOf({
      kind: 'failover',
      to: 'a',
      force: true,
      dueAtMs: 10_000 - 1 - timing.missedAfterMs,
    });
    const readyWith = (at: Host) => {
      at.renew();
      at.see({ type: 'vip-absent' });
      at.see({ type: 'replicator-ready' });
      return at.takesUp(operation, { inSync: outOfSync });
    };
    assert.equal(readyWith(new Host('a')).order('leadership'), undefined, 'it was there before this host');
    const cutOff = new Host('a').ready();
    cutOff.pass(timing.missedAfterMs + 1);
    assert.equal(readyWith(cutOff).order('leadership'), undefined, 'it may have been there for long');
  });

  it('is made by a word that this host saw appear, whatever the wall clock of who wrote it', () => {
    const operation = operationOf({ kind: 'failover', to: 'a', force: true, dueAtMs: -3_600_000 });
    const host = new Host('a').ready().takesUp(operation, { inSync: outOfSync });
    assert.equal(host.order('leadership')?.want, 'claim');
  });
});
