import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { statusOf } from '../../../../supervisor/control/status.ts';
import type { Supervisor } from '../../../../supervisor/runtime/supervisor.ts';
import { Host, liveNode, timing, view } from '../core/leadership/host.ts';

/** A supervisor that has read this of the cluster. */
function supervisorThatRead(sentAtMs: number | null): Supervisor {
  const host = new Host('a');
  host.at = 20_000;
  if (sentAtMs !== null) {
    const peers = [{ node: 'd', address: '10.0.0.4', port: 2223, publicKey: 'k' }];
    host.see({ type: 'lease-renewed', id: 'lease-a', sentAtMs: 18_000 });
    host.see({
      type: 'cluster-read',
      view: view({ revision: 500, sentAtMs, nodes: [liveNode('b')], peers }),
    });
  }
  const config = {
    cluster: 'lab',
    node: { id: 'a' },
    vips: [],
    sftp: { port: 2222 },
    lease: { ttl: 3000, renewEvery: 500 },
  };
  const facts = [
    { name: 'quarantine', level: 'warn', code: 'QUARANTINED', detail: 'x' },
    { name: 'load', level: 'ok', code: '', detail: 'y' },
  ];
  return {
    state: host.state,
    config,
    health: { latenessMs: {} },
    healthFacts: facts,
    sftpNode: { activity: { sessions: 0, transfers: 0 } },
    replicator: { followers: [] },
    ineligibility: () => [],
  } as unknown as Supervisor;
}

describe('a status', () => {
  const viewAt = (sentAtMs: number | null) => statusOf(supervisorThatRead(sentAtMs), 20_000).view;

  it('carries how old is what etcd told, and whether it answers', () => {
    assert.deepEqual(viewAt(19_700), { ageMs: 300, staleAfterMs: 3000, etcdAnswers: true });
    assert.deepEqual(viewAt(17_500), { ageMs: 2500, staleAfterMs: 3000, etcdAnswers: false });
    assert.deepEqual(viewAt(8000), { ageMs: 12_000, staleAfterMs: 3000, etcdAnswers: false });
    assert.deepEqual(viewAt(null), { ageMs: null, staleAfterMs: 3000, etcdAnswers: false });
  });

  it('has the hosts that are away, and how long the lease lasts', () => {
    const { hosts, leaseLeftMs } = statusOf(supervisorThatRead(19_700), 20_000);
    assert.deepEqual(
      hosts.map(({ node, role }) => [node, role]),
      [
        ['a', 'away'],
        ['b', 'standby'],
        ['c', 'away'],
        ['d', 'away'],
      ],
    );
    assert.equal(leaseLeftMs, 18_000 + timing.leaseTtlMs - 20_000);
  });

  it('has what is not well on this host as it is now, also before etcd knows', () => {
    const own = statusOf(supervisorThatRead(null), 20_000).hosts.find(({ node }) => node === 'a');
    assert.deepEqual(
      own?.health.map(({ code }) => code),
      ['QUARANTINED'],
    );
  });
});
