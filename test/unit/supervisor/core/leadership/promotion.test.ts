import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ineligibility } from '../../../../../supervisor/core/leadership/eligibility.ts';
import { Host, leaderOf, timing } from './host.ts';

describe('a standby', () => {
  it('removes a leftover virtual IP before anything else', () => {
    const host = new Host();
    assert.deepEqual(host.order('vip'), { kind: 'vip', want: 'absent' });
    host.renew().replicator('idle').read();
    assert.equal(host.order('leadership'), undefined, 'no claim while the address may still be on');
  });

  it('claims when nobody leads and it is in the in-sync set', () => {
    const host = new Host().ready();
    assert.deepEqual(host.order('leadership'), {
      kind: 'leadership',
      want: 'claim',
      leaseId: 'lease-a',
      operationId: null,
      claim: { inSyncModRevision: 7, operationModRevision: null, alone: false, isNew: false },
    });
  });

  it('claims a new cluster, which has no in-sync set', () => {
    const host = new Host().ready().read({ inSync: null, isNew: true });
    const order = host.order('leadership');
    assert.ok(order?.want === 'claim' && order.claim.isNew && !order.claim.alone);
  });

  it('never claims for want of an in-sync set in a cluster that had a leader (G5)', () => {
    const host = new Host().ready().read({ inSync: null });
    assert.equal(host.order('leadership'), undefined);
    assert.deepEqual(codesOf(host), ['IN_SYNC_MISSING']);
  });

  it('never claims while a key that could forbid it cannot be read', () => {
    for (const key of ['restored', 'era', 'format'] as const) {
      const host = new Host().ready().read({ unreadable: [key] });
      assert.equal(host.order('leadership'), undefined, key);
      assert.deepEqual(codesOf(host), ['ETCD_VALUE_INVALID']);
    }
  });

  it('never claims in a cluster whose format it does not know', () => {
    const host = new Host().ready().read({ format: { version: 2, by: 'b' } });
    assert.equal(host.order('leadership'), undefined);
    assert.deepEqual(codesOf(host), ['FORMAT_UNKNOWN']);
  });

  function codesOf(host: Host): string[] {
    return ineligibility(host.state, host.at, timing).map(({ code }) => code);
  }

  it('never claims while it may lack acknowledged files (G5)', () => {
    const host = new Host().ready();
    host.read({ inSync: { members: ['b'], epoch: 1, reason: '', modRevision: 9 } });
    assert.equal(host.order('leadership'), undefined);
  });

  it('follows the leader', () => {
    const host = new Host().ready().read({ leader: leaderOf('b', 50) });
    assert.deepEqual(host.order('replicator'), {
      kind: 'replicator',
      want: 'follow',
      epoch: 50,
      leader: 'b',
      root: 'roots-a',
    });
    assert.equal(host.order('leadership'), undefined);
  });

  it('does not claim on a lease that may be over', () => {
    const host = new Host().ready();
    host.pass(timing.leaseTtlMs - timing.marginMs);
    host.read();
    assert.equal(host.order('leadership'), undefined);
  });

  it('does not claim on an old view of the cluster', () => {
    const host = new Host().ready();
    host.at += 3001;
    host.renew();
    assert.equal(host.order('leadership'), undefined);
  });

  it('does not take the key of an earlier run of itself for its own', () => {
    const host = new Host().ready().read({ leader: leaderOf('a', 90, 'lease-of-before') });
    assert.equal(host.phase, 'standby');
    assert.equal(host.order('leadership'), undefined);
  });

  it('takes up a leadership that was handed to its lease', () => {
    const host = new Host().ready().read({ leader: leaderOf('a', 120) });
    assert.equal(host.phase, 'promoting');
  });

  it('does not claim with noFailover, or when unfit', () => {
    const never = new Host('a', true).ready();
    assert.equal(never.order('leadership'), undefined);
    const unfit = new Host().ready();
    unfit.see({ type: 'health', unfit: [{ code: 'DISK_LOW', sentence: 'full' }] });
    assert.equal(unfit.order('leadership'), undefined);
  });
});

describe('a promotion', () => {
  const promoting = () => {
    const host = new Host().ready();
    host.see({ type: 'leader-written', leader: leaderOf('a', 200) });
    return host;
  };

  it('starts the SFTP node while the address is probed, and opens nothing', () => {
    const host = promoting();
    assert.deepEqual(host.order('sftp-node'), { kind: 'sftp-node', want: 'running', epoch: 200 });
    assert.deepEqual(host.order('vip'), { kind: 'vip', want: 'free', epoch: 200 });
    assert.equal(host.order('gate'), undefined);
  });

  it('does not probe for strangers when the address was handed over', () => {
    const host = new Host().ready().read({ leader: { ...leaderOf('a', 200), handedOverBy: 'b' } });
    assert.equal(host.order('vip')?.want, 'present');
  });

  it('does not count the address as off while it may be on its way on', () => {
    const host = promoting();
    host.see({ type: 'vip-free', epoch: 200 });
    host.see({ type: 'stop' });
    assert.equal(host.phase, 'stepping-down');
    assert.deepEqual(host.order('vip'), { kind: 'vip', want: 'absent' });
  });

  it('waits with the SFTP node until there are host keys', () => {
    const host = new Host();
    host.renew();
    host.see({ type: 'vip-absent' });
    host.see({ type: 'replicator-ready' });
    host.read({ inSync: null });
    host.see({ type: 'leader-written', leader: leaderOf('a', 200) });
    assert.equal(host.order('sftp-node'), undefined);
    host.replicator('leader', 200);
    assert.equal(host.order('sftp-node')?.want, 'running');
  });

  it('opens the gate only when node, address and journal are there, until the lease deadline', () => {
    const host = promoting();
    host.see({ type: 'node-starting', epoch: 200 });
    host.see({ type: 'node-listening', epoch: 200 });
    host.see({ type: 'vip-free', epoch: 200 });
    host.see({ type: 'vip-present', epoch: 200 });
    assert.equal(host.order('gate'), undefined, 'the replicator does not take the journal yet');
    host.replicator('leader', 200);
    const validUntilMs = host.at + timing.leaseTtlMs - timing.marginMs;
    assert.deepEqual(host.order('gate'), { kind: 'gate', want: 'open', epoch: 200, validUntilMs });
    assert.equal(host.phase, 'promoting', 'not announced yet');
    host.see({ type: 'announced', epoch: 200 });
    assert.equal(host.phase, 'leading');
  });

  it('puts no address on that a stranger answers for, and backs off', () => {
    const host = promoting();
    host.see({ type: 'vip-failed', epoch: 200, cause: { code: 'VIP_IN_USE', sentence: 'aa:bb' } });
    assert.equal(host.phase, 'stepping-down');
    host.see({ type: 'node-exited', epoch: 200, cause: { code: 'X', sentence: '' } });
    host.see({ type: 'vip-absent' });
    const cause = { code: 'VIP_IN_USE', sentence: 'aa:bb' };
    assert.deepEqual(host.order('leadership'), { kind: 'leadership', want: 'release', epoch: 200, cause });
    host.see({ type: 'leader-released', epoch: 200, leader: null });
    assert.equal(host.phase, 'standby');
    assert.equal(host.order('leadership'), undefined, 'no crash loop');
    host.pass(timing.backoffMs).renew().read();
    assert.equal(host.order('leadership')?.want, 'claim');
  });

  it('refuses an epoch that is not newer than what it has seen', () => {
    const host = new Host().ready().replicator('idle', 500);
    host.see({ type: 'leader-written', leader: leaderOf('a', 200) });
    assert.equal(host.phase, 'stepping-down');
    assert.equal(host.state.lastFailure?.code, 'EPOCH_STALE');
  });

  it('fails when the SFTP node cannot start', () => {
    const host = promoting();
    host.see({ type: 'node-starting', epoch: 200 });
    host.see({
      type: 'node-exited',
      epoch: 200,
      cause: { code: 'PORT_IN_USE', sentence: 'port 2222' },
    });
    assert.equal(host.phase, 'stepping-down');
    assert.equal(host.state.lastFailure?.code, 'PORT_IN_USE');
  });

  it('fails when it takes too long', () => {
    const host = promoting();
    for (let waited = 0; waited <= timing.promotionLimitMs; waited += 500) host.renew().pass(500);
    assert.ok(host.path.includes('promoting->stepping-down'));
    assert.equal(host.state.lastFailure?.code, 'SFTP_NODE_TIMEOUT');
  });
});
