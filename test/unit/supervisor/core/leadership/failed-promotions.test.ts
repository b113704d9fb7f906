import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ineligibility } from '../../../../../supervisor/core/leadership/eligibility.ts';
import { Host, leaderOf, timing } from './host.ts';

const cause = { code: 'VIP_FAILED', sentence: 'the address cannot be put on' };
const codes = (host: Host) => ineligibility(host.state, host.at, timing).map(({ code }) => code);

/** A promotion of a host that may claim, which fails at once. */
function fail(host: Host, epoch: number): void {
  host.see({ type: 'leader-written', leader: leaderOf('a', epoch) });
  host.see({ type: 'vip-failed', epoch, cause });
  host.see({ type: 'vip-absent' });
  host.see({ type: 'leader-released', epoch, leader: null });
  assert.equal(host.phase, 'standby');
}

/** As after so many failures in a row, with another host leading since. */
function failed(times: number): Host {
  const host = new Host().ready();
  for (let count = 0; count < times; count++) {
    fail(host, 200 + count);
    host.pass(timing.maxBackoffMs).renew();
  }
  return host.read({ leader: leaderOf('b', 300), revision: 300 });
}

describe('a host whose promotions fail', () => {
  it('waits twice as long after each', () => {
    const host = new Host().ready();
    fail(host, 200);
    assert.deepEqual(codes(host), ['BACKOFF']);
    host.pass(timing.backoffMs).renew().read();
    assert.deepEqual(codes(host), []);
    fail(host, 210);
    host.pass(timing.backoffMs).renew().read();
    assert.deepEqual(codes(host), ['BACKOFF']);
  });

  it('is not blamed for a leadership that etcd took away', () => {
    const host = new Host().ready();
    host.see({ type: 'leader-written', leader: leaderOf('a', 200) });
    host.pass(10).read({ leader: null });
    assert.equal(host.phase, 'stepping-down');
    host.see({ type: 'vip-absent' });
    assert.deepEqual([host.phase, host.state.failedPromotions], ['standby', 0]);
    assert.deepEqual(codes(host), ['BACKOFF']);
  });

  it('leaves it to the others after some, and says for how long', () => {
    assert.deepEqual(codes(failed(timing.maxFailedPromotions - 1)), []);
    const host = failed(timing.maxFailedPromotions);
    assert.deepEqual(codes(host), ['PROMOTIONS_FAILED']);
    host.read({ leader: null, revision: 310 });
    assert.equal(host.order('leadership'), undefined);
    // Counted from the last failure, after which `failed` lets the longest wait pass.
    host.pass(timing.failuresForgottenAfterMs - timing.maxBackoffMs - 1).renew();
    assert.deepEqual(codes(host), ['PROMOTIONS_FAILED']);
    host.pass(1).renew();
    assert.deepEqual(codes(host), []);
  });

  it('tries all the same when nobody else has taken over for a while', () => {
    const host = failed(timing.maxFailedPromotions).read({ leader: null, revision: 310 });
    host
      .pass(timing.maxBackoffMs - 1)
      .renew()
      .read({ revision: 311 });
    assert.equal(host.order('leadership'), undefined);
    host.pass(1).renew().read({ revision: 312 });
    assert.equal(host.order('leadership')?.want, 'claim');
  });

  it('may take over again when an operator clears it', () => {
    const host = failed(timing.maxFailedPromotions);
    host.see({ type: 'cleared' });
    assert.deepEqual(codes(host), []);
  });

  it('waits no longer either, and what it failed at is forgotten', () => {
    const host = new Host().ready();
    fail(host, 200);
    assert.equal(host.state.lastFailure?.code, 'VIP_FAILED');
    host.see({ type: 'cleared' });
    assert.deepEqual(codes(host), []);
    assert.equal(host.state.lastFailure, null);
  });

  it('waits for no longer than the longest wait, however often it failed', () => {
    const host = failed(9).read({ leader: null, revision: 310 });
    fail(host, 320);
    host.pass(timing.maxBackoffMs).renew();
    assert.deepEqual(codes(host), ['PROMOTIONS_FAILED']);
  });

  it('is well again once it has led for a while, and not before', () => {
    const host = new Host().ready();
    fail(host, 150);
    host.pass(timing.backoffMs).renew().read();
    host.leading(200);
    host.pass(1000).renew();
    assert.equal(host.state.failedPromotions, 1);
    for (let passed = 0; passed < timing.provenAfterMs; passed += 1000) {
      host
        .pass(1000)
        .renew()
        .read({ leader: leaderOf('a', 200), revision: 220 });
    }
    assert.deepEqual([host.phase, host.state.failedPromotions], ['leading', 0]);
    assert.equal(host.state.lastFailure, null);
  });

  it('counts a leadership in which the SFTP node died again and again', () => {
    const host = new Host().leading(200);
    for (let death = 0; death <= timing.maxNodeDeaths; death++) {
      const epoch = 200 + death;
      host.see({
        type: 'node-exited',
        epoch,
        cause: { code: 'SFTP_NODE_EXITED', sentence: 'exit code 1' },
      });
      if (host.phase !== 'leading') break;
      host.see({ type: 'leader-written', leader: leaderOf('a', epoch + 1) });
      host.see({ type: 'vip-present', epoch: epoch + 1 });
      host.see({ type: 'node-starting', epoch: epoch + 1 });
      host.see({ type: 'node-listening', epoch: epoch + 1 });
      host.replicator('leader', epoch + 1);
    }
    assert.equal(host.phase, 'stepping-down');
    assert.equal(host.state.failedPromotions, 1);
    assert.ok(codes(host).includes('BACKOFF'), 'another host goes first');
  });
});

describe('a promotion that fails at what is the same on every host', () => {
  const broken = { code: 'HOST_KEY_INVALID', sentence: 'host_keys/ssh_host_ed25519_key is no private key' };

  function failAtHostKeys(host: Host, epoch: number): void {
    host.see({ type: 'leader-written', leader: leaderOf('a', epoch) });
    host.see({ type: 'node-starting', epoch });
    host.see({ type: 'node-exited', epoch, cause: broken });
    host.see({ type: 'vip-absent' });
    host.see({ type: 'leader-released', epoch, leader: null });
    assert.equal(host.phase, 'standby');
  }

  it('bars nobody, however often: each time the same short wait', () => {
    const host = new Host().ready();
    for (let count = 0; count < 2 * timing.maxFailedPromotions; count++) {
      failAtHostKeys(host, 200 + 10 * count);
      assert.deepEqual(codes(host), ['BACKOFF']);
      host
        .pass(timing.replicatedBackoffMs - 1)
        .renew()
        .read();
      assert.deepEqual(codes(host), ['BACKOFF']);
      host.pass(1).renew().read();
      assert.deepEqual(codes(host), []);
    }
    assert.equal(host.state.failedPromotions, 0);
  });

  it('is tried again as soon as the configuration is another one', () => {
    const host = new Host().ready();
    failAtHostKeys(host, 200);
    host.replicator('idle', 0, { configDigest: 'mended' });
    assert.deepEqual(codes(host), []);
    assert.equal(host.read().order('leadership')?.want, 'claim');
  });

  it('leaves what the host failed at by itself as it was', () => {
    const host = new Host().ready();
    fail(host, 200);
    host.replicator('idle', 0, { configDigest: 'another' });
    assert.deepEqual(codes(host), ['BACKOFF']);
  });

  it('is not waited for when there are no host keys: the SFTP node is started and says why', () => {
    const host = new Host().ready();
    host.see({ type: 'leader-written', leader: leaderOf('a', 200) });
    host.replicator('follower', 100, { hostKeyFingerprints: [] });
    assert.equal(host.order('sftp-node'), undefined, 'they may be made yet');
    host.replicator('leader', 200, { hostKeyFingerprints: [] });
    assert.equal(host.order('sftp-node')?.want, 'running');
  });
});
