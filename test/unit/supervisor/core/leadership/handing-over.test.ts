import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../../../../supervisor/core/leadership/decide.ts';
import { preparedFor } from '../../../../../supervisor/core/leadership/handing-over.ts';
import { timingOf } from '../../../../../supervisor/core/leadership/timing.ts';
import { Host, leaderOf, liveNode, timing } from './host.ts';
import { operationOf } from './operations.ts';

const ended = { code: '', sentence: '' };
const nodes = [liveNode('a'), liveNode('b', { priority: 50 }), liveNode('c')];
const prepared = [liveNode('a'), liveNode('b'), liveNode('c', { preparedFor: 200 })];
const leader = leaderOf('a', 200);

/** Just before the leader key moves. */
function goneBy(host: Host): Host {
  host.see({ type: 'node-gate-shut', epoch: 200 });
  host.see({ type: 'handed-off', epoch: 200, complete: true, reason: '' });
  host.see({ type: 'node-exited', epoch: 200, cause: ended });
  host.see({ type: 'vip-absent' });
  return host;
}

describe('a leader that is told to stop', () => {
  const stopping = () => {
    const host = new Host().leading().read({ leader, nodes });
    host.see({ type: 'stop' });
    return host;
  };

  it('hands over in order: successor ready, gate, tail, clients and address, key', () => {
    const host = stopping();
    assert.deepEqual(
      host.order('successor'),
      { kind: 'successor', epoch: 200, node: 'c' },
      'the highest priority',
    );
    assert.equal(host.order('gate')?.want, 'open', 'clients are served meanwhile');
    assert.deepEqual(host.order('announce'), { kind: 'announce', epoch: 200 });
    assert.equal(host.order('sftp-node'), undefined);
    host.read({ leader, nodes: prepared });
    assert.equal(host.order('sftp-node')?.want, 'drained');
    host.see({ type: 'node-gate-shut', epoch: 200 });
    assert.equal(host.order('gate')?.want, 'shut');
    assert.deepEqual(host.order('hand-off'), { kind: 'hand-off', epoch: 200, to: 'c' });
    host.at += 20;
    host.see({ type: 'handed-off', epoch: 200, complete: true, reason: '' });
    assert.equal(host.order('sftp-node')?.want, 'stopped');
    assert.equal(host.order('vip')?.want, 'absent');
    host.see({ type: 'vip-absent' });
    assert.equal(host.order('leadership'), undefined, 'not while the SFTP node may be there');
    host.see({ type: 'node-exited', epoch: 200, cause: ended });
    assert.deepEqual(host.order('leadership'), {
      kind: 'leadership',
      want: 'transfer',
      epoch: 200,
      to: { node: 'c', leaseId: 'lease-c' },
      cause: { code: 'STOPPING', sentence: 'stopping, c takes over' },
      operationId: null,
      closedAtMs: host.at - 20,
    });
    host.see({ type: 'leader-released', epoch: 200, leader: leaderOf('c', 220) });
    assert.equal(host.phase, 'stopped');
    assert.equal(host.order('exit')?.kind, 'exit');
  });

  it('does not move the key while the address may be on', () => {
    const host = stopping().read({ leader, nodes: prepared });
    host.see({ type: 'node-gate-shut', epoch: 200 });
    host.see({ type: 'handed-off', epoch: 200, complete: true, reason: '' });
    host.see({ type: 'node-exited', epoch: 200, cause: ended });
    assert.equal(host.order('leadership'), undefined);
  });

  it('waits longer for an address that a command takes off', () => {
    const host = stopping().read({ leader, nodes: prepared });
    host.see({ type: 'node-gate-shut', epoch: 200 });
    host.see({ type: 'handed-off', epoch: 200, complete: true, reason: '' });
    host.at += timing.handOverStepLimitMs + 1900;
    const withCommand = timingOf({ ttl: 5000, margin: 500 }, 2000);
    const kernelOnly = timingOf({ ttl: 5000, margin: 500 });
    const renewed = { type: 'lease-renewed', id: 'lease-a', sentAtMs: host.at, at: host.at } as const;
    assert.equal(decide(host.state, renewed, withCommand).state.phase.name, 'handing-over');
    assert.equal(decide(host.state, renewed, kernelOnly).state.phase.name, 'stepping-down');
  });

  it('prefers nobody when the tail was not confirmed: the key is free for who is in sync', () => {
    const host = stopping().read({ leader, nodes: prepared });
    host.see({ type: 'node-gate-shut', epoch: 200 });
    host.see({ type: 'handed-off', epoch: 200, complete: false, reason: 'not connected' });
    host.see({ type: 'node-exited', epoch: 200, cause: ended });
    host.see({ type: 'vip-absent' });
    assert.equal(host.order('leadership')?.want, 'release');
  });

  it('waits for a successor that does not get ready only so long', () => {
    const host = stopping();
    host.at += timing.prepareLimitMs + 1;
    host.renew();
    assert.equal(host.order('sftp-node')?.want, 'drained');
  });

  it('hands over to nobody who is not in sync or says that it may not', () => {
    const host = new Host().leading().read({
      leader,
      inSync: { members: ['a', 'b'], epoch: 200, reason: '', modRevision: 201 },
      nodes: [liveNode('b', { ineligible: [{ code: 'DISK_LOW', sentence: '' }] }), liveNode('c')],
    });
    host.see({ type: 'stop' });
    host.see({ type: 'node-gate-shut', epoch: 200 });
    assert.equal(host.order('hand-off'), undefined);
    host.see({ type: 'node-exited', epoch: 200, cause: ended });
    host.see({ type: 'vip-absent' });
    assert.equal(host.order('leadership')?.want, 'release');
  });

  it('steps down by force when a step gets stuck', () => {
    const host = stopping().read({ leader, nodes: prepared });
    host.at += timing.handOverStepLimitMs + 1;
    host.renew(10);
    assert.equal(host.phase, 'stepping-down');
    assert.equal(host.state.lastFailure?.code, 'HAND_OVER_TIMEOUT');
  });
});

describe('a switchover', () => {
  const asked = (parts = {}, among = nodes) =>
    new Host().leading().read({ leader, nodes: among, operation: operationOf(parts) });
  /** What etcd is to say of it, as `state code`. */
  const told = (host: Host) => {
    const report = host.order('operation')?.report;
    return `${report?.state} ${report?.outcome?.code}`;
  };

  /** As etcd has it once the leader has written that it runs. */
  const written = (parts = {}) => operationOf({ state: 'running', epoch: 200, ...parts });

  it('goes to the host named, with the transfers given their time', () => {
    const host = asked({ to: 'b', drainMs: 30_000 });
    assert.equal(host.phase, 'handing-over');
    assert.equal(host.order('successor')?.node, 'b');
    assert.equal(host.order('operation')?.report.step, 'preparing');
    host.read({ leader, nodes, operation: written({ to: 'b', drainMs: 30_000 }) });
    host.pass(timing.prepareLimitMs).renew().pass(1);
    assert.deepEqual(host.order('sftp-node'), {
      kind: 'sftp-node',
      want: 'drained',
      epoch: 200,
      limitMs: 30_000,
    });
    for (let s = 0; s < 29; s++) host.pass(1000).renew();
    assert.equal(host.order('gate')?.want, 'open');
    assert.equal(host.order('vip')?.want, 'present');
    goneBy(host);
    const order = host.order('leadership');
    assert.ok(order?.want === 'transfer');
    assert.deepEqual([order.to.node, order.operationId], ['b', '0123abcd']);
    host.see({ type: 'leader-released', epoch: 200, leader: leaderOf('b', 320) });
    assert.equal(host.phase, 'standby');
  });

  it('shuts nobody out before etcd says that it runs: until then it may be called off at any moment', () => {
    const host = asked({});
    host.read({ leader, nodes: prepared, operation: operationOf({}) });
    host.pass(timing.prepareLimitMs).renew().pass(1);
    assert.equal(host.order('sftp-node'), undefined);
    assert.equal(host.order('gate')?.want, 'open');
    host.read({
      leader,
      nodes: prepared,
      operation: operationOf({ state: 'cancelled', cancelledBy: 'root' }),
    });
    assert.equal(host.phase, 'leading');
  });

  it('shuts nobody out by the record of another leadership', () => {
    const host = asked({});
    host.read({ leader, nodes: prepared, operation: written({ epoch: 150 }) });
    assert.ok(host.state.phase.name === 'handing-over' && host.state.phase.step === 'preparing');
  });

  it('goes by no answer to a hand-off of another leadership', () => {
    const host = asked().read({ leader, nodes: prepared, operation: written() });
    host.see({ type: 'node-gate-shut', epoch: 200 });
    host.see({ type: 'handed-off', epoch: 150, complete: true, reason: '' });
    assert.ok(host.state.phase.name === 'handing-over' && host.state.phase.step === 'handing-off');
  });

  it('is called off when etcd never comes to say that it runs', () => {
    const host = asked({});
    host.pass(timing.handOverStepLimitMs).renew().pass(1);
    assert.equal(host.phase, 'leading');
    assert.equal(told(host), 'failed HAND_OVER_TIMEOUT');
  });

  it('goes to the best candidate when none is named', () => {
    assert.equal(asked({ to: null }).order('successor')?.node, 'c');
  });

  it('waits for its time', () => {
    const host = new Host().leading();
    const operation = operationOf({ at: '2026-01-01T02:00:00Z', epoch: 150, dueAtMs: host.at + 1000 });
    host.read({ leader, nodes, operation });
    assert.equal(host.phase, 'leading');
    host.pass(999);
    assert.equal(host.phase, 'leading');
    host.pass(1);
    assert.equal(host.phase, 'handing-over');
  });

  it('is refused with its reason, and the host goes on serving', () => {
    const sick = [liveNode('a'), liveNode('c', { ineligible: [{ code: 'DISK_LOW', sentence: 'full' }] })];
    const away = nodes.filter(({ node }) => node !== 'c');
    const refusals: [host: Host, told: string][] = [
      [asked({}, sick), 'failed TARGET_INELIGIBLE'],
      [asked({}, away), 'failed TARGET_AWAY'],
      [asked({ to: null }, [liveNode('a')]), 'failed NO_CANDIDATE'],
      [asked({ to: 'a' }), 'failed ALREADY_LEADING'],
      [asked({ epoch: 150 }), 'failed OPERATION_INTERRUPTED'],
      [asked({ dueAtMs: -timing.missedAfterMs }), 'failed OPERATION_MISSED'],
      [asked({ cancelledBy: 'root' }), 'cancelled OPERATION_CANCELLED'],
    ];
    for (const [host, expected] of refusals) {
      assert.equal(told(host), expected);
      assert.equal(host.phase, 'leading');
      assert.equal(host.order('gate')?.want, 'open');
    }
  });

  it('is refused again by the leadership that comes after, when the first refusal was never written', () => {
    const host = asked({ to: 'a' });
    host.see({ type: 'node-exited', epoch: 200, cause: ended });
    const operation = operationOf({ to: 'a' });
    host.see({ type: 'leader-written', leader: leaderOf('a', 310) });
    host.see({ type: 'node-starting', epoch: 310 });
    host.see({ type: 'node-listening', epoch: 310 });
    host.see({ type: 'vip-present', epoch: 310 });
    host.replicator('leader', 310).read({ leader: leaderOf('a', 310), nodes, operation, revision: 320 });
    assert.equal(host.phase, 'leading');
    assert.equal(told(host), 'failed OPERATION_INTERRUPTED');
    assert.equal(host.order('operation')?.report.epoch, 310);
  });

  it('tells each step', () => {
    const host = asked().read({ leader, nodes: prepared, operation: written({ step: 'preparing' }) });
    assert.equal(host.order('operation')?.report.step, 'draining');
  });

  it('is begun once, however often it is read before etcd has its end', () => {
    const host = asked({ to: 'a' });
    host.read({ leader, nodes, operation: operationOf({ to: 'a' }) }).pass(1);
    assert.equal(told(host), 'failed ALREADY_LEADING');
    host.read({ leader, nodes, operation: operationOf({ to: 'a', state: 'failed' }) });
    assert.equal(host.order('operation'), undefined);
  });

  const running = operationOf({ state: 'running' });
  const faults: [what: string, strike: (host: Host) => void, told: string][] = [
    [
      'the target dies',
      (host) => host.read({ leader, nodes: nodes.slice(0, 2), operation: running }),
      'failed TARGET_AWAY',
    ],
    [
      'the target is started again',
      (host) => host.read({ leader, nodes: [liveNode('c', { leaseId: 'other' })], operation: running }),
      'failed TARGET_AWAY',
    ],
    [
      'the target falls behind',
      (host) => {
        const inSync = { members: ['a', 'b'], epoch: 200, reason: '', modRevision: 9 };
        host.read({ leader, nodes, inSync, operation: running });
      },
      'failed TARGET_INELIGIBLE',
    ],
    [
      'it is called off',
      (host) => host.read({ leader, nodes, operation: { ...running, cancelledBy: 'root' } }),
      'cancelled OPERATION_CANCELLED',
    ],
  ];
  for (const [what, strike, expected] of faults) {
    for (const step of ['preparing', 'draining', 'handing-off'] as const) {
      it(`is taken back when ${what} while ${step}`, () => {
        const host = asked();
        if (step !== 'preparing') host.read({ leader, nodes: prepared, operation: running });
        if (step === 'handing-off') host.see({ type: 'node-gate-shut', epoch: 200 });
        assert.ok(host.state.phase.name === 'handing-over' && host.state.phase.step === step);
        strike(host);
        assert.equal(host.phase, 'leading');
        assert.equal(told(host), expected);
        assert.equal(host.order('sftp-node')?.want, 'running');
        if (step === 'handing-off') assert.equal(host.order('gate'), undefined, 'the node takes it up first');
        host.see({ type: 'node-listening', epoch: 200 });
        assert.equal(host.order('gate')?.want, 'open');
      });
    }
  }

  it('is taken back when the target does not confirm the tail, or the SFTP node does not drain', () => {
    const unconfirmed = asked().read({ leader, nodes: prepared, operation: running });
    unconfirmed.see({ type: 'node-gate-shut', epoch: 200 });
    unconfirmed.see({ type: 'handed-off', epoch: 200, complete: false, reason: 'not connected' });
    assert.equal(told(unconfirmed), 'failed HAND_OFF_INCOMPLETE');
    assert.equal(unconfirmed.state.replicator.handedOff, null, 'the next one asks anew');
    const stuck = asked().read({ leader, nodes: prepared, operation: running });
    stuck.at += timing.handOverStepLimitMs + 1;
    stuck.renew();
    assert.equal(told(stuck), 'failed HAND_OVER_TIMEOUT');
    assert.equal(stuck.phase, 'leading');
  });

  it('cannot be called off once its clients are let go', () => {
    const host = asked().read({ leader, nodes: prepared, operation: running });
    host.see({ type: 'node-gate-shut', epoch: 200 });
    host.see({ type: 'handed-off', epoch: 200, complete: true, reason: '' });
    host.read({ leader, nodes: [], operation: { ...running, cancelledBy: 'root' } });
    assert.equal(host.phase, 'handing-over');
  });

  it('takes the successor’s name back when it is called off', () => {
    const host = asked();
    const successor = { node: 'c', epoch: 200 };
    host.read({ leader, nodes, successor, operation: { ...running, cancelledBy: 'root' } });
    assert.deepEqual(host.order('successor'), { kind: 'successor', epoch: 200, node: null });
  });

  it('is ended by the leader that came of it, or by who leads when its leader is gone', () => {
    const done = new Host('c').leading(320);
    done.read({
      leader: { ...leaderOf('c', 320), operationId: '0123abcd', handedOverBy: 'a' },
      operation: running,
    });
    assert.equal(told(done), 'done HANDED_OVER');
    const target = new Host('c').leading(320).read({ leader: leaderOf('c', 320), operation: running });
    assert.equal(told(target), 'done OPERATION_INTERRUPTED');
    const same = new Host('c').leading(320).read({
      leader: leaderOf('c', 320),
      operation: { ...running, epoch: 320 },
    });
    assert.equal(same.order('operation'), undefined, 'it is this very leadership that runs it');
    const third = new Host('b').leading(320).read({ leader: leaderOf('b', 320), operation: running });
    assert.equal(told(third), 'failed OPERATION_INTERRUPTED');
  });
});

describe('a leader that is not fit any more', () => {
  const problem = { code: 'DISK_LOW', sentence: 'data root is full' };
  const unfit = (among = nodes, parts = {}) => {
    const host = new Host().leading().read({ leader, nodes: among, ...parts });
    host.see({ type: 'health', unfit: [problem] });
    host.at += timing.unfitLimitMs - 1;
    host.renew();
    host.see({ type: 'health', unfit: [problem] });
    return host;
  };

  it('hands over to a host that is, when that has lasted', () => {
    const host = unfit();
    assert.equal(host.phase, 'leading');
    host.pass(1);
    assert.equal(host.phase, 'handing-over');
    goneBy(host.read({ leader, nodes: prepared }));
    const order = host.order('leadership');
    assert.ok(order?.want === 'transfer' && order.cause.code === 'DISK_LOW');
  });

  it('hands over whatever became of an operation that has nothing to do with it', () => {
    const operation = operationOf({ id: '89abcdef', state: 'cancelled', cancelledBy: 'root' });
    const host = unfit(nodes, { operation }).pass(1);
    host.read({ leader, nodes: prepared, operation });
    assert.equal(host.phase, 'handing-over');
  });

  it('goes on serving while nobody is fitter, during a pause, and when it is well again', () => {
    const paused = { by: '', at: '2026-01-01T00:00:00Z', reason: '', leader: 'a' };
    assert.equal(unfit([liveNode('b', { ineligible: [problem] })]).pass(1).phase, 'leading');
    assert.equal(unfit(nodes, { paused }).pass(1).phase, 'leading');
    const host = unfit();
    host.see({ type: 'health', unfit: [] });
    assert.equal(host.pass(1).phase, 'leading');
  });

  it('goes on serving when the successor cannot take over after all, and tries again later', () => {
    const host = unfit().pass(1);
    host.read({ leader, nodes: [] });
    assert.equal(host.phase, 'leading');
    host.read({ leader, nodes });
    assert.equal(host.phase, 'leading', 'not at once');
    host.at += timing.unfitLimitMs;
    host.renew();
    assert.equal(host.phase, 'handing-over');
  });
});

describe('the successor', () => {
  const following = () => new Host('c').ready();
  const successor = { node: 'c', epoch: 200 };

  it('loads its SFTP node ahead, and lets it go when it is not wanted any more', () => {
    const host = following().read({ leader, successor });
    assert.deepEqual(host.order('spare'), { kind: 'spare', want: 'ready' });
    assert.equal(preparedFor(host.state), 0);
    host.see({ type: 'spare', is: 'ready' });
    assert.equal(preparedFor(host.state), 200);
    host.read({ leader, successor: null });
    assert.equal(preparedFor(host.state), 0);
    assert.deepEqual(host.order('spare'), { kind: 'spare', want: 'absent' });
    host.see({ type: 'spare', is: 'absent' });
    assert.equal(host.order('spare'), undefined);
  });

  it('does so for nobody but the present leader, and not while it stops', () => {
    assert.equal(
      following()
        .read({ leader: leaderOf('a', 250), successor })
        .order('spare'),
      undefined,
    );
    const stopping = following().read({ leader, successor });
    stopping.see({ type: 'spare', is: 'loading' });
    stopping.see({ type: 'stop' });
    assert.equal(stopping.order('spare')?.want, 'absent');
    assert.equal(stopping.phase, 'standby');
    stopping.see({ type: 'spare', is: 'absent' });
    assert.equal(stopping.phase, 'stopped');
  });
});
