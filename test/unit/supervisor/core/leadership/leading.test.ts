import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Host, leaderOf, timing } from './host.ts';

const budget = timing.leaseTtlMs - timing.marginMs;

describe('a leader', () => {
  it('extends gate and address with each renewal, counted from when it was sent', () => {
    const host = new Host().leading();
    host.at += 500;
    host.renew(120);
    assert.equal(host.phase, 'leading');
    assert.deepEqual(host.order('gate'), {
      kind: 'gate',
      want: 'open',
      epoch: 200,
      validUntilMs: host.at - 120 + budget,
    });
    assert.equal(host.order('vip')?.want, 'present');
  });

  it('survives failed renewals until the deadline, and not one tick longer (G1)', () => {
    const host = new Host().leading();
    host.pass(budget - 1);
    assert.equal(host.phase, 'leading');
    host.pass(1);
    assert.equal(host.phase, 'stepping-down');
    assert.equal(host.state.lastFailure?.code, 'LEASE_LOST');
    assert.deepEqual(
      host.last.orders.slice(0, 3).map((order) => [order.kind, 'want' in order && order.want]),
      [
        ['gate', 'shut'],
        ['vip', 'absent'],
        ['sftp-node', 'killed'],
      ],
    );
  });

  it('that is told to stop while etcd does not answer waits for the end of its lease, and no longer', () => {
    const host = new Host().leading();
    host.pass(budget);
    host.see({ type: 'vip-absent' });
    host.see({
      type: 'node-exited',
      epoch: 200,
      cause: { code: 'SFTP_NODE_EXITED', sentence: 'killed' },
    });
    assert.equal(host.order('leadership'), undefined, 'nothing is released on a lease that may be over');
    host.see({ type: 'stop' });
    host.pass(timing.marginMs - 1);
    assert.notEqual(host.phase, 'stopped');
    host.pass(1);
    assert.equal(host.phase, 'stopped');
  });

  it('is not saved by a renewal that is answered after the deadline', () => {
    const host = new Host().leading();
    host.at += budget + 10;
    host.renew(budget + 5);
    assert.equal(host.phase, 'stepping-down');
  });

  it('takes no time back from a renewal that overtook it', () => {
    const host = new Host().leading();
    host.at += 600;
    host.renew(0);
    const end = host.state.lease?.endsAtMs;
    host.renew(400);
    assert.equal(host.state.lease?.endsAtMs, end);
  });

  it('goes down at once when etcd names another leader or none', () => {
    const other = new Host().leading().read({ leader: leaderOf('b', 300) });
    assert.equal(other.phase, 'stepping-down');
    assert.equal(other.state.lastFailure?.code, 'LEADERSHIP_LOST');
    const none = new Host().leading().read({ leader: null });
    assert.equal(none.phase, 'stepping-down');
  });

  it('does not believe a read that its own claim overtook', () => {
    const host = new Host().ready();
    const before = host.state.cluster ?? assert.fail();
    const sentAtMs = host.at + 1;
    host.at += 5;
    host.see({ type: 'leader-written', leader: leaderOf('a', 200) });
    host.at += 1;
    host.see({ type: 'cluster-read', view: { ...before, revision: 150, sentAtMs, leader: null } });
    assert.equal(host.phase, 'promoting');
  });

  it('believes an etcd that was restored from an older snapshot, and goes down', () => {
    const host = new Host().leading();
    const before = host.state.cluster ?? assert.fail();
    host.at += 5;
    host.see({
      type: 'cluster-read',
      view: { ...before, revision: 3, sentAtMs: host.at, leader: null },
    });
    assert.equal(host.phase, 'stepping-down');
  });

  it('goes down when etcd ended its lease', () => {
    const host = new Host().leading();
    host.see({ type: 'lease-gone', id: 'lease-a' });
    assert.equal(host.phase, 'stepping-down');
  });

  it('starts a dead SFTP node again under a new epoch, with the address kept', () => {
    const host = new Host().leading();
    host.see({
      type: 'node-exited',
      epoch: 200,
      cause: { code: 'SFTP_NODE_EXITED', sentence: 'signal SIGKILL' },
    });
    assert.deepEqual(host.order('leadership'), {
      kind: 'leadership',
      want: 'renew-epoch',
      epoch: 200,
      leaseId: 'lease-a',
    });
    assert.equal(host.order('gate'), undefined);
    host.see({ type: 'leader-written', leader: leaderOf('a', 210) });
    assert.equal(host.phase, 'promoting');
    assert.deepEqual(host.order('sftp-node'), { kind: 'sftp-node', want: 'running', epoch: 210 });
    assert.equal(host.order('vip')?.want, 'present');
  });

  it('gives up a host on which the SFTP node dies again and again', () => {
    const host = new Host().leading();
    for (let epoch = 200; host.phase !== 'stepping-down' && epoch < 300; epoch += 10) {
      host.see({
        type: 'node-exited',
        epoch,
        cause: { code: 'SFTP_NODE_EXITED', sentence: 'exit code 1' },
      });
      if (host.phase !== 'leading') break;
      host.see({ type: 'leader-written', leader: leaderOf('a', epoch + 10) });
      host.see({ type: 'vip-present', epoch: epoch + 10 });
      host.see({ type: 'node-starting', epoch: epoch + 10 });
      host.see({ type: 'node-listening', epoch: epoch + 10 });
      host.replicator('leader', epoch + 10);
    }
    assert.equal(host.phase, 'stepping-down');
    assert.equal(host.state.nodeDeaths.length, timing.maxNodeDeaths + 1);
  });

  it('is never a leader again of an epoch that it left, whatever a late read says', () => {
    const host = new Host().leading().read({ leader: null });
    host.see({ type: 'node-exited', epoch: 200, cause: { code: 'X', sentence: '' } });
    host.see({ type: 'vip-absent' });
    assert.equal(host.phase, 'standby');
    host.read({ leader: leaderOf('a', 200) });
    assert.equal(host.phase, 'standby');
    const order = host.order('leadership');
    assert.ok(order?.want === 'release' && order.epoch === 200);
  });

  it('stays in stepping down until node and address are known to be gone', () => {
    const host = new Host().leading().read({ leader: null });
    host.pass(timing.leaseTtlMs + 100);
    assert.equal(host.phase, 'stepping-down');
    host.see({ type: 'node-exited', epoch: 200, cause: { code: 'X', sentence: '' } });
    assert.equal(host.phase, 'stepping-down');
    host.see({ type: 'vip-absent' });
    assert.equal(host.phase, 'standby');
  });

  it('writes the in-sync set again when its key is gone or cannot be read, as it knows it', () => {
    const leader = leaderOf('a', 200);
    const members = ['a', 'b'];
    const host = new Host()
      .leading()
      .read({ leader, inSync: { members, epoch: 200, reason: '', modRevision: 9 } });
    assert.equal(host.order('in-sync'), undefined);
    host.read({ leader, inSync: null });
    assert.deepEqual(host.order('in-sync'), { kind: 'in-sync', epoch: 200, members, modRevision: 0 });
    host.replicator('idle');
    const lead = host.order('replicator');
    assert.deepEqual(lead?.want === 'lead' && lead.inSync, members, 'of a replicator that started anew (G5)');
    const garbage = { members: [], epoch: 0, reason: '', modRevision: 12 };
    host.read({ leader, inSync: garbage, unreadable: ['insync'] });
    assert.deepEqual(host.order('in-sync'), { kind: 'in-sync', epoch: 200, members, modRevision: 12 });
  });

  it('does not write a member again that was about to be removed when the key got lost (G5)', () => {
    const leader = leaderOf('a', 200);
    const host = new Host().leading().read({ leader });
    host.see({ type: 'in-sync-changed', epoch: 200, members: ['a', 'c'] });
    host.read({ leader, inSync: null });
    assert.deepEqual(host.order('in-sync')?.members, ['a', 'c']);
    host.see({ type: 'in-sync-changed', epoch: 199, members: ['a', 'b', 'c'] });
    assert.deepEqual(host.order('in-sync')?.members, ['a', 'c'], 'another leadership does not count');
  });

  it('says in which format the values are, where nothing does', () => {
    const leader = leaderOf('a', 200);
    const host = new Host().leading().read({ leader });
    assert.equal(host.order('format'), undefined);
    host.read({ leader, format: null, revisions: { ...host.state.cluster?.revisions, format: 0 } as never });
    assert.deepEqual(host.order('format'), { kind: 'format', epoch: 200 });
    host.read({ leader, format: null, unreadable: ['format'] });
    assert.equal(host.order('format'), undefined, 'one that cannot be read is for an operator to mend');
  });

  it('tells etcd what it holds', () => {
    const host = new Host().leading().read({ leader: leaderOf('a', 200) });
    assert.equal(host.order('host')?.record.id, 'roots-a');
  });

  it('ends the SFTP node of an earlier epoch before it starts another', () => {
    const host = new Host().leading();
    host.see({ type: 'leader-written', leader: leaderOf('a', 210) });
    assert.deepEqual(host.order('sftp-node'), { kind: 'sftp-node', want: 'killed' });
  });

  it('has no death of its SFTP node counted in the next leadership', () => {
    const host = new Host().leading();
    host.see({ type: 'node-exited', epoch: 200, cause: { code: 'X', sentence: '' } });
    host.read({ leader: null });
    host.see({ type: 'vip-absent' });
    assert.deepEqual([host.phase, host.state.nodeDeaths], ['standby', []]);
  });

  it('leaves a pause alone that it cannot read', () => {
    const leader = leaderOf('a', 200);
    const paused = { by: 'x', at: '', reason: '', leader: null };
    const host = new Host().leading().read({ leader, paused, unreadable: ['paused'] });
    assert.equal(host.order('pause'), undefined);
    assert.equal(host.phase, 'leading');
  });

  it('goes on serving while keys cannot be read that only forbid to begin', () => {
    const leader = leaderOf('a', 200);
    const host = new Host()
      .leading()
      .read({ leader, unreadable: ['restored', 'era', 'format', 'operation'] });
    assert.equal(host.phase, 'leading');
  });
});
