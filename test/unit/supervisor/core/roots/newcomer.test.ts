import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type RootsReport, rootIdsOf } from '#contracts/roots.ts';
import { ineligibility } from '../../../../../supervisor/core/leadership/eligibility.ts';
import { Host, leaderOf, rootsOf, timing } from '../leadership/host.ts';
import { operationOf } from '../leadership/operations.ts';

const emptied: RootsReport = {
  ...rootsOf('a'),
  data: { path: '/srv/data', record: null, isEmpty: true, place: '1:1' },
};
const without = { members: ['b', 'c'], epoch: 0, reason: '', modRevision: 8 };

function newcomer(role: 'idle' | 'follower' = 'idle', caughtUp = false): Host {
  return new Host().ready().replicator(role, 0, { roots: emptied, caughtUp });
}

const codesOf = (host: Host) => ineligibility(host.state, host.at, timing).map(({ code }) => code);

describe('a host whose data folder was emptied (G5)', () => {
  it('leaves the in-sync set before anything else, and does not lead', () => {
    const host = newcomer().read();
    assert.deepEqual(codesOf(host), ['ROOT_EMPTY']);
    assert.equal(host.order('leave')?.modRevision, 7);
    assert.equal(host.order('leadership'), undefined);
    host.read({ leader: leaderOf('b', 50) });
    assert.deepEqual(host.order('replicator'), { kind: 'replicator', want: 'idle' });
  });

  it('follows once it has left, as one that holds nothing', () => {
    const host = newcomer().read({ leader: leaderOf('b', 50), inSync: without });
    assert.equal(host.order('leave'), undefined);
    const follow = host.order('replicator');
    assert.ok(follow?.want === 'follow' && follow.root === null);
    assert.equal(host.order('admit'), undefined);
  });

  it('gets its identity when it has caught up, and not before', () => {
    const view = { leader: leaderOf('b', 50), inSync: without };
    assert.equal(newcomer('follower', false).read(view).order('admit'), undefined);
    const host = newcomer('follower', true).read(view);
    assert.equal(host.order('admit')?.replaces, rootIdsOf(emptied));
  });

  it('is let alone by an in-sync set that its leader takes it into while it follows', () => {
    const host = newcomer('follower', false).read({ leader: leaderOf('b', 50) });
    assert.equal(host.order('leave'), undefined);
    assert.equal(host.order('replicator')?.want, 'follow');
    host.read({ leader: null });
    host.replicator('idle', 0, { roots: emptied, caughtUp: false });
    assert.equal(host.order('leave')?.modRevision, 7, 'that leader is gone');
  });

  it('tells etcd what it holds while it is in sync, and again when that is more', () => {
    const host = new Host().ready();
    const order = host.order('host');
    assert.deepEqual([order?.record.id, order?.record.revision, order?.modRevision], ['roots-a', 3, 0]);
    const { record } = order ?? assert.fail();
    host.read({ hosts: [{ ...record, modRevision: 40 }] });
    assert.equal(host.order('host'), undefined);
    host.read({ hosts: [{ ...record, revision: 2, modRevision: 40 }] });
    assert.equal(host.order('host')?.modRevision, 40);
    host.read({ hosts: [{ ...record, id: 'earlier', admittedAt: 1, modRevision: 41 }] });
    assert.equal(host.order('host')?.record.id, 'roots-a', 'an earlier set of roots was as far');
    host.read({ hosts: [], unreadableHosts: { a: 44, b: 45 } });
    assert.equal(host.order('host')?.modRevision, 44, 'garbage in its place');
    assert.equal(host.read({ inSync: without }).order('host'), undefined);
  });

  it('leads by an operator’s force alone: it leaves the set, gets an identity, and claims', () => {
    const operation = operationOf({ kind: 'failover', to: 'a', force: true, dueAtMs: 9000 });
    const host = newcomer().takesUp(operation);
    const running = host.state.cluster?.operation ?? assert.fail();
    assert.ok(host.order('leave'));
    assert.equal(host.order('admit'), undefined);
    host.replicator('follower', 0, { roots: emptied, caughtUp: false });
    assert.equal(host.order('admit'), undefined, 'others would take it for one that holds everything');
    host.replicator('idle', 0, { roots: emptied, caughtUp: false });
    host.read({ operation: running, inSync: without });
    assert.ok(host.order('admit'));
    assert.equal(host.order('leadership'), undefined);
    host.replicator('idle', 0, { roots: rootsOf('a', 'new') });
    const claim = host.order('leadership');
    assert.ok(claim?.want === 'claim' && claim.claim.alone);
  });

  it('is not forced to lead while somebody leads', () => {
    const operation = operationOf({ kind: 'failover', to: 'a', force: true, dueAtMs: 9000 });
    const host = newcomer().takesUp(operation, { inSync: without });
    const running = host.state.cluster?.operation ?? assert.fail();
    assert.ok(host.order('admit'));
    host.read({ operation: running, inSync: without, leader: leaderOf('b', 50) });
    assert.equal(host.order('admit'), undefined);
  });

  it('gives up a leadership under which its disk went away', () => {
    const host = new Host().leading(200).renew();
    host.see({ type: 'replicator-gone' });
    assert.deepEqual(host.order('replicator'), { kind: 'replicator', want: 'idle' });
    assert.equal(host.phase, 'leading', 'not known yet');
    host.replicator('idle', 200, { roots: emptied });
    assert.equal(host.phase, 'stepping-down');
    assert.equal(host.last.changes.at(-1)?.cause?.code, 'ROOT_EMPTY');
  });
});

describe('a host whose roots have no identity yet', () => {
  it('follows nobody before it has got one', () => {
    const found = rootsOf('a');
    const nameless = (name: 'data' | 'config' | 'state') => ({ ...found[name], record: null });
    const roots = { data: nameless('data'), config: nameless('config'), state: nameless('state') };
    const host = new Host()
      .ready()
      .replicator('idle', 40, { roots })
      .read({ leader: leaderOf('b', 50) });
    assert.ok(host.order('admit'));
    assert.equal(host.order('replicator')?.want, 'idle');
  });
});

describe('a host of a new cluster', () => {
  it('has its roots get their identity before it claims', () => {
    const nameless = { path: '/srv', record: null, isEmpty: true, place: '1:1' };
    const roots = { data: nameless, config: nameless, state: nameless };
    const host = new Host().ready().replicator('idle', 0, { roots }).read({ inSync: null, isNew: true });
    assert.ok(host.order('admit'));
    assert.equal(host.order('leadership'), undefined);
    host.replicator('idle');
    assert.equal(host.order('leadership')?.want, 'claim');
  });

  it('begins the in-sync set by an operator’s word as well, and is not alone in it for that', () => {
    const operation = operationOf({ kind: 'failover', to: 'a', dueAtMs: 9000 });
    const host = new Host().ready().takesUp(operation, { inSync: null, isNew: true });
    const claim = host.order('leadership');
    assert.ok(claim?.want === 'claim' && claim.operationId === operation.id);
    assert.equal(claim.claim.alone, false);
  });
});
