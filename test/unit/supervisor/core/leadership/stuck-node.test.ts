import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ineligibility } from '../../../../../supervisor/core/leadership/eligibility.ts';
import { Host, timing } from './host.ts';

const codes = (host: Host) => ineligibility(host.state, host.at, timing).map(({ code }) => code);
const exit = { type: 'node-exited', epoch: 200, cause: { code: 'X', sentence: 'killed' } } as const;

describe('an SFTP node that a frozen disk holds', () => {
  function stuck(): Host {
    const host = new Host().leading(200).renew();
    host.see({ type: 'node-stuck', epoch: 200 });
    return host;
  }

  it('ends the leadership: the address goes off at once', () => {
    const host = stuck();
    assert.equal(host.phase, 'stepping-down');
    assert.equal(host.state.lastFailure?.code, 'SFTP_NODE_STUCK');
    assert.deepEqual(host.order('vip'), { kind: 'vip', want: 'absent' });
    assert.equal(host.order('sftp-node')?.want, 'killed');
  });

  it('holds the key until its gate has ended by itself, and no longer', () => {
    const host = stuck();
    host.see({ type: 'vip-absent' });
    for (let passed = 0; passed < timing.leaseTtlMs; passed += 500) {
      assert.equal(host.order('leadership'), undefined, `after ${passed} ms`);
      host.pass(500).renew();
    }
    assert.equal(host.order('leadership')?.want, 'release');
    host.see({ type: 'leader-released', epoch: 200, leader: null });
    assert.equal(host.phase, 'standby');
  });

  it('does not have its key released while the address may be on, for as long as it is tried to take it off', () => {
    const host = stuck();
    for (let passed = 0; passed < timing.vipRemovalLimitMs; passed += 500) {
      assert.equal(host.order('leadership'), undefined, `after ${passed} ms`);
      host.pass(500).renew();
    }
    // The kernel has taken it off by now: with `ip` hanging, nobody could lead otherwise.
    assert.equal(host.order('leadership')?.want, 'release');
    host.see({ type: 'leader-released', epoch: 200, leader: null });
    assert.equal(host.phase, 'standby');
    assert.deepEqual(host.order('vip'), { kind: 'vip', want: 'absent' }, 'it is tried on');
  });

  it('holds the key until it is gone when nothing tells when its gate ends', () => {
    const host = new Host().leading(200);
    host.see({ type: 'lease-gone', id: 'lease-a' });
    host.see({ type: 'vip-absent' });
    host.pass(10 * timing.leaseTtlMs);
    assert.equal(host.phase, 'stepping-down');
    host.see(exit);
    assert.equal(host.phase, 'standby');
  });

  it('keeps its host from leading until it is gone', () => {
    const host = stuck();
    host.see({ type: 'vip-absent' });
    for (let passed = 0; passed < timing.leaseTtlMs; passed += 500) host.pass(500).renew();
    host.see({ type: 'leader-released', epoch: 200, leader: null });
    host.pass(timing.backoffMs).renew().read();
    assert.deepEqual(codes(host), ['SFTP_NODE_STUCK']);
    assert.equal(host.order('leadership'), undefined);
    host.see(exit);
    assert.deepEqual(codes(host), []);
    assert.equal(host.order('leadership')?.want, 'claim');
  });
});
