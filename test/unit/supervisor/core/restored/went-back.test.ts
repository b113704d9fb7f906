import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ineligibility } from '../../../../../supervisor/core/leadership/eligibility.ts';
import { planRestored } from '../../../../../supervisor/core/restored/plan.ts';
import { Host, leaderOf, liveNode, rootsOf, timing, view } from '../leadership/host.ts';

const codes = (host: Host) => ineligibility(host.state, host.at, timing).map(({ code }) => code);
const restored = { seen: 900, found: 60, by: 'b', at: '2026-01-01T00:00:00.000Z' };

describe('an etcd that went back to an older snapshot', () => {
  it('is noticed by its revision: nobody claims, and every host is told', () => {
    const host = new Host().ready();
    host.pass(100).read({ revision: 60 });
    assert.deepEqual(codes(host), ['ETCD_WENT_BACK']);
    assert.equal(host.order('leadership'), undefined);
    assert.deepEqual(host.order('restored'), { kind: 'restored', seen: 101, found: 60 });
    host.pass(100).read({ revision: 61, restored });
    assert.equal(host.order('restored'), undefined, 'it is told');
  });

  it('is not told while the era cannot be read, without which revisions say nothing', () => {
    const host = new Host().ready();
    const nodes = [liveNode('b', { position: { epoch: 1_000_000_050, sequence: 0 } })];
    host.read({ nodes, unreadable: ['era'] });
    assert.equal(host.order('restored'), undefined);
    assert.equal(host.order('leadership'), undefined);
    host.read({ nodes });
    assert.equal(host.order('restored')?.seen, 1_000_000_050);
  });

  it('is remembered when its revisions have grown again', () => {
    const host = new Host().ready();
    host.pass(100).read({ revision: 60 });
    host.pass(100).read({ revision: 5000 });
    assert.deepEqual(codes(host), ['ETCD_WENT_BACK']);
  });

  it('is noticed by a host that started since, by the epoch on its disk', () => {
    const host = new Host();
    host.renew();
    host.see({ type: 'vip-absent' });
    host.see({ type: 'replicator-ready' });
    host.replicator('idle', 900);
    host.pass(100).read({ revision: 60 });
    assert.deepEqual(codes(host), ['ETCD_WENT_BACK']);
  });

  it('is noticed by what another host holds', () => {
    const host = new Host().ready();
    host.pass(100).read({ nodes: [liveNode('b', { position: { epoch: 900, sequence: 4 } })] });
    assert.deepEqual(codes(host), ['ETCD_WENT_BACK']);
    assert.equal(host.order('leadership'), undefined);
  });

  it('is not suspected when a leadership is newer than what was read last', () => {
    const host = new Host().ready();
    host.pass(100).replicator('follower', 900);
    assert.deepEqual(codes(host), []);
    host.pass(10).read({ revision: 900, leader: leaderOf('b', 900) });
    assert.deepEqual(codes(host), []);
  });

  it('ends a leadership, and what another host noticed counts as well', () => {
    const host = new Host().leading(200).renew();
    host.pass(100).read({ leader: leaderOf('a', 200), restored });
    assert.equal(host.phase, 'stepping-down');
    assert.equal(host.state.lastFailure?.code, 'ETCD_WENT_BACK');
  });

  it('ends the leadership of one whose follower has seen a later epoch', () => {
    const host = new Host().leading(200).renew();
    const { replicator } = host.state;
    host.see({
      type: 'replicator-status',
      status: { type: 'status', ...replicator, hostKeyFingerprints: [], roots: rootsOf('a'), ...told },
    });
    assert.equal(host.phase, 'leading', 'not before etcd was asked');
    host.pass(100).read({ leader: leaderOf('a', 200) });
    assert.equal(host.phase, 'stepping-down');
  });
  const told = {
    role: 'leader' as const,
    resync: null,
    toldEpoch: 900,
    configProblems: [],
    atRisk: [],
    peers: [],
    quarantined: 0,
    quarantine: null,
  };

  it('is over when an operator began a new era', () => {
    const host = new Host().ready();
    host.pass(100).read({ revision: 60 });
    host.pass(100).read({ revision: 1_000_000_061, era: 1 });
    assert.deepEqual(codes(host), []);
    assert.equal(host.order('leadership')?.want, 'claim');
  });
});

describe('the way out of a restored etcd', () => {
  const at = (epoch: number, sequence: number) => ({ position: { epoch, sequence } });
  const nodes = [liveNode('a', at(800, 90)), liveNode('b', at(900, 7)), liveNode('c', at(900, 7))];

  it('lets those lead that hold most of the latest leadership', () => {
    const plan = planRestored(view({ revision: 60, restored, nodes }));
    assert.deepEqual([plan.refusal, plan.members, plan.away, plan.era], [null, ['b', 'c'], [], 1]);
  });

  it('begins an era after the one that any host has seen', () => {
    const late = [liveNode('a', at(3_000_000_900, 7))];
    assert.equal(planRestored(view({ revision: 60, restored, nodes: late })).era, 4);
    const lost = { ...restored, seen: 5_000_000_001 };
    assert.equal(
      planRestored(view({ revision: 60, restored: lost, nodes: late })).era,
      6,
      'what was lost, too',
    );
  });

  it('names the hosts that are away', () => {
    const plan = planRestored(view({ restored, nodes: nodes.slice(0, 1) }));
    assert.deepEqual([plan.members, plan.away], [['a'], ['b', 'c']]);
  });

  it('takes no host for one that holds most whose folders were emptied', () => {
    const [a, b, c] = nodes;
    const emptied = { ...(b ?? assert.fail()), ineligible: [{ code: 'ROOT_EMPTY', sentence: '' }] };
    const others = [a ?? assert.fail(), c ?? assert.fail()];
    assert.deepEqual(planRestored(view({ restored, nodes: [emptied, ...others] })).members, ['c']);
    assert.deepEqual(
      planRestored(view({ restored, nodes: [emptied] })).members,
      ['b'],
      'nobody else is left',
    );
  });

  it('is refused while etcd did not go back, names a leader, or no host is there', () => {
    const refusal = (parts: Parameters<typeof view>[0]) => planRestored(view(parts)).refusal?.code;
    assert.equal(refusal({ nodes }), 'NOT_RESTORED');
    assert.equal(refusal({ nodes, restored, leader: leaderOf('a', 50) }), 'LEADER_PRESENT');
    assert.equal(refusal({ restored }), 'NO_CANDIDATE');
  });
});
