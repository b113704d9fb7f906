import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../../../../supervisor/core/leadership/decide.ts';
import { ineligibility } from '../../../../../supervisor/core/leadership/eligibility.ts';
import { timingOf } from '../../../../../supervisor/core/leadership/timing.ts';
import { Host, leaderOf, timing } from './host.ts';
import { operationOf } from './operations.ts';

const cause = { code: 'VIP_FAILED', sentence: 'the address cannot be put on' };
const exited = { type: 'node-exited', epoch: 200, cause: { code: 'X', sentence: 'killed' } } as const;
const leader = leaderOf('a', 200);

/** The SFTP node died, and the leader goes on under epoch 210. */
function withNewEpoch(): Host {
  const host = new Host().leading(200);
  host.see(exited);
  host.see({ type: 'leader-written', leader: leaderOf('a', 210) });
  host.see({ type: 'node-starting', epoch: 210 });
  host.see({ type: 'node-listening', epoch: 210 });
  return host;
}

describe('what a leader observes', () => {
  it('counts failures of the address in a row: one success, and they begin anew', () => {
    const host = new Host().leading(200);
    const fail = () => host.see({ type: 'vip-failed', epoch: 200, cause });
    fail();
    fail();
    host.see({ type: 'vip-present', epoch: 200 });
    fail();
    fail();
    assert.equal(host.phase, 'leading');
    fail();
    assert.equal(host.phase, 'stepping-down');
  });

  it('is not ended by what failed under an earlier epoch', () => {
    const host = new Host().ready();
    host.see({ type: 'leader-written', leader });
    host.see({ type: 'vip-failed', epoch: 199, cause });
    host.see({ type: 'watchdog-failed', epoch: 199, cause });
    assert.equal(host.phase, 'promoting');
    host.see({ type: 'watchdog-failed', epoch: 200, cause });
    assert.equal(host.phase, 'stepping-down');
  });

  it('does not serve a new epoch before address and replicator are at it', () => {
    const address = withNewEpoch().replicator('leader', 210);
    assert.equal(address.phase, 'promoting');
    address.see({ type: 'vip-present', epoch: 210 });
    assert.equal(address.phase, 'leading');
    const replicator = withNewEpoch();
    replicator.see({ type: 'vip-present', epoch: 210 });
    assert.equal(replicator.phase, 'promoting');
    assert.equal(replicator.order('gate'), undefined);
    assert.equal(replicator.replicator('leader', 210).phase, 'leading');
  });

  it('begins a new epoch with nothing of the one before', () => {
    const host = new Host().leading(200);
    host.see({ type: 'vip-failed', epoch: 200, cause });
    host.see({ type: 'handed-off', epoch: 200, complete: true, reason: '' });
    host.see(exited);
    host.see({ type: 'leader-written', leader: leaderOf('a', 210) });
    const { failure, vipFailures, replicator } = host.state;
    assert.deepEqual([failure, vipFailures, replicator.handedOff], [null, 0, null]);
  });

  it('begins no new epoch on a lease that is over', () => {
    const host = new Host().leading(200);
    host.at += timing.leaseTtlMs;
    host.see({ type: 'leader-written', leader: leaderOf('a', 210) });
    assert.equal(host.phase, 'stepping-down');
    assert.deepEqual(host.path.slice(2), ['leading->stepping-down']);
  });

  it('keeps what a stuck SFTP node was from the leadership after it', () => {
    const host = new Host().leading(200).renew();
    host.see({ type: 'node-stuck', epoch: 200 });
    host.see(exited);
    assert.equal(host.state.nodeIsStuck, false);
  });

  it('takes the end of the SFTP node for no death while it hands over', () => {
    const host = new Host().leading(200).read({ leader });
    host.see({ type: 'stop' });
    host.see({ type: 'node-gate-shut', epoch: 200 });
    host.see(exited);
    assert.deepEqual([host.phase, host.state.nodeDeaths, host.state.failure], ['handing-over', [], null]);
  });

  it('is over only when its gate has ended, however long the address is tried to be taken off', () => {
    const long = timingOf({ ttl: 10_000, margin: 500 });
    const host = new Host().leading(200);
    const see = (event: Parameters<Host['see']>[0]) => decide(host.state, { ...event, at: host.at }, long);
    host.state = see({ type: 'lease-renewed', id: 'lease-a', sentAtMs: host.at }).state;
    host.state = see({ type: 'node-stuck', epoch: 200 }).state;
    assert.equal(host.state.phase.name, 'stepping-down');
    host.state = see(exited).state;
    const releases = () => see({ type: 'tick' }).orders.some(({ kind }) => kind === 'leadership');
    host.at += long.vipRemovalLimitMs;
    assert.equal(releases(), false, 'the kernel has not taken the address off yet');
    host.state = see({ type: 'lease-renewed', id: 'lease-a', sentAtMs: host.at }).state;
    host.at += 10_000 - long.vipRemovalLimitMs;
    assert.equal(releases(), true);
  });
});

describe('what a standby observes', () => {
  it('has its supervisor stopped only once no leader key is its own', () => {
    const host = new Host().leading(200).read({ leader: null });
    host.see(exited);
    host.see({ type: 'vip-absent' });
    host.read({ leader });
    host.see({ type: 'stop' });
    assert.deepEqual([host.phase, host.order('leadership')?.want], ['standby', 'release']);
    host.see({ type: 'leader-released', epoch: 200, leader: null });
    assert.equal(host.phase, 'stopped');
  });

  it('does not take a newer leader for gone when the key of an older one is', () => {
    const host = new Host().ready().read({ leader: leaderOf('b', 300), revision: 300 });
    host.see({ type: 'leader-released', epoch: 200, leader: null });
    assert.equal(host.state.cluster?.leader?.epoch, 300);
  });

  it('knows since when it may have heard of an operation: from the read before', () => {
    const host = new Host().ready();
    const beforeMs = host.at;
    host.at += 700;
    host.read({ operation: operationOf() });
    assert.deepEqual(host.state.operationAppeared, { id: '0123abcd', afterMs: beforeMs });
  });

  it('remembers when an epoch was told first, and what comparison waits', () => {
    const heldRemoval = { files: 500, of: 600, leader: 'b' };
    const host = new Host().ready().replicator('idle', 150, { heldRemoval });
    const sinceMs = host.at;
    host.at += 1000;
    host.replicator('idle', 150);
    assert.deepEqual(host.state.replicator.seen, { epoch: 150, sinceMs });
    assert.equal(host.state.replicator.heldRemoval, null);
    host.replicator('idle', 150, { heldRemoval });
    assert.deepEqual(host.state.replicator.heldRemoval, heldRemoval);
  });

  it('may not lead while an SFTP node of its own is there, stuck or not', () => {
    const host = new Host().leading(200).read({ leader: null });
    host.see({ type: 'vip-absent' });
    host.pass(timing.leaseTtlMs).renew().read();
    assert.equal(host.phase, 'standby');
    const codes = ineligibility(host.state, host.at, timing).map(({ code }) => code);
    assert.ok(codes.includes('SFTP_NODE_STUCK'), codes.join());
  });
});
