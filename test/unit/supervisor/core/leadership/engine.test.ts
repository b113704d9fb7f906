import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ineligibility } from '../../../../../supervisor/core/leadership/eligibility.ts';
import { Host, leaderOf, liveNode, timing } from './host.ts';

const paused = { by: 'ops', reason: '', since: '', leader: 'a' };

describe('a leader without its storage engine (H1)', () => {
  function leading(others = [liveNode('b')], parts = {}): Host {
    return new Host()
      .leading(200)
      .renew()
      .read({
        leader: leaderOf('a', 200),
        inSync: { members: ['a', 'b'], epoch: 200, reason: '', modRevision: 1 },
        nodes: [liveNode('a'), ...others],
        ...parts,
      });
  }
  const gone = (host: Host) => host.see({ type: 'replicator-gone' });

  it('goes on when it is back within a second', () => {
    const host = leading();
    gone(host);
    host.pass(timing.engineLimitMs - 1);
    host.see({ type: 'replicator-ready' });
    host.replicator('leader', 200);
    host.renew().pass(timing.engineLimitMs).renew().pass(timing.engineLimitMs);
    assert.equal(host.phase, 'leading');
  });

  it('gives way to a fit host when it is not', () => {
    const host = leading();
    gone(host);
    host.pass(timing.engineLimitMs - 1);
    assert.equal(host.phase, 'leading');
    host.pass(1).renew();
    assert.equal(host.phase, 'stepping-down');
    assert.equal(host.state.lastFailure?.code, 'REPLICATOR_DOWN');
  });

  it('gives way as well when it is back, and does not lead', () => {
    const host = leading();
    gone(host);
    host.see({ type: 'replicator-ready' });
    host.replicator('idle');
    host.pass(timing.engineLimitMs).renew();
    assert.equal(host.phase, 'stepping-down');
  });

  it('waits for it when nobody else is fit, and while the cluster is paused', () => {
    for (const host of [
      leading([liveNode('b', { ineligible: [{ code: 'DISK_LOW', sentence: '' }] })]),
      leading(undefined, { paused }),
    ]) {
      gone(host);
      host.pass(timing.engineLimitMs).renew().pass(timing.engineLimitMs).renew();
      assert.equal(host.phase, 'leading');
    }
  });

  it('gives way at once when it has said nothing for a second, and is not eligible meanwhile', () => {
    const host = leading();
    host.see({ type: 'engine-silent', isSilent: true });
    assert.equal(host.phase, 'stepping-down');
    assert.equal(host.state.lastFailure?.code, 'ENGINE_SILENT');
    const codes = () => ineligibility(host.state, host.at, timing).map(({ code }) => code);
    assert.ok(codes().includes('ENGINE_SILENT'));
    host.see({ type: 'engine-silent', isSilent: false });
    assert.ok(!codes().includes('ENGINE_SILENT'));
  });

  it('ends the connections of clients before the address goes, so that they are told', () => {
    const host = leading();
    host.see({ type: 'engine-silent', isSilent: true });
    assert.equal(host.order('sftp-node')?.want, 'killed');
    assert.equal(host.order('vip'), undefined, 'not before the process is gone');
    host.see({ type: 'node-exited', epoch: 200, cause: { code: 'X', sentence: 'killed' } });
    assert.deepEqual(host.order('vip'), { kind: 'vip', want: 'absent' });
  });

  it('takes the address off soon all the same when the process does not end', () => {
    const host = leading();
    host.see({ type: 'engine-silent', isSilent: true });
    host.pass(199);
    assert.equal(host.order('vip'), undefined);
    host.pass(1);
    assert.deepEqual(host.order('vip'), { kind: 'vip', want: 'absent' });
  });

  it('takes the address off at once when another host may have it: the key or the lease is gone', () => {
    const other = leading();
    other.read({ leader: leaderOf('b', 300) });
    const without = leading();
    without.see({ type: 'lease-gone', id: 'lease-a' });
    for (const host of [other, without]) {
      assert.equal(host.phase, 'stepping-down');
      assert.notEqual(host.state.node.is, 'absent');
      assert.deepEqual(host.order('vip'), { kind: 'vip', want: 'absent' });
    }
  });
});
