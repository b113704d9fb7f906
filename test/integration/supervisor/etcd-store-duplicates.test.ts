import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { EtcdStore } from '../../../supervisor/adapters/etcd/store.ts';
import * as support from './support/etcd-stores.ts';
import { OneEtcd } from './support/one-etcd.ts';

const { claimBy, lead, leader } = support;

/**
 * A request that is sent to two members may be carried out twice, with the second answer alone heard, and another
 * host's write in between.
 */
describe('a request to etcd that is carried out twice', { timeout: 60_000 }, () => {
  let etcd: OneEtcd;
  let cluster: support.StoredCluster;
  let plain: EtcdStore;
  /** Every transaction of this one is carried out twice. */
  let twice: EtcdStore;
  let between: () => Promise<unknown>;
  before(async () => {
    etcd = await OneEtcd.start();
  });
  after(() => etcd.dispose());
  beforeEach(() => {
    between = async () => {};
    cluster = new support.StoredCluster(etcd);
    plain = cluster.open();
    twice = cluster.open({ through: (rpc) => support.twice(rpc, () => between()) });
  });
  afterEach(() => cluster.close());

  describe('is one success', () => {
    it('of a claim, a move and a release, with the epochs of the key', async () => {
      const { epoch, leaseId } = await lead(twice, 'a');
      assert.equal((await plain.read()).leader?.epoch, epoch);
      const moved = support.epochOf(await twice.moveLeadership(epoch, leader('b', 'moved'), leaseId));
      assert.equal((await plain.read()).leader?.epoch, moved);
      await twice.releaseLeadership(moved, support.departure('b', moved));
      const view = await plain.read();
      assert.deepEqual([view.leader, view.departure?.node], [null, 'b']);
    });

    it('under the epoch of the first one, whatever was written since', async () => {
      between = () => cluster.put('paused', support.pause('b'));
      const { epoch } = await lead(twice, 'a');
      assert.equal((await plain.read()).leader?.epoch, epoch);
    });

    it('of what a leader writes', async () => {
      const { epoch, leaseId } = await lead(twice, 'a');
      const { revisions } = await plain.read();
      assert.equal(await twice.writeInSync(epoch, ['a', 'b'], 'added b', revisions.insync), true);
      assert.equal(await twice.writeSuccessor(epoch, 'b', leaseId), true);
      assert.equal(await twice.writeSuccessor(epoch, null, leaseId), true);
      await cluster.delete('format');
      assert.equal(await twice.writeFormat(epoch, 'a'), true);
      const told = { by: 'a', epoch, at: '2026-01-01T03:00:00.000Z', hosts: [], takenOverWithout: null };
      const revision = await twice.writeAtRisk(told, 0);
      assert.deepEqual(await plain.readAtRisk(), { record: told, modRevision: revision });
      assert.equal(await plain.writeAtRisk(told, 0), revision, 'it lies there as it was to be written');
      const other = { ...told, by: 'b' };
      assert.equal(await plain.writeAtRisk(other, 0), null, 'not as it was read');
      assert.equal(await plain.writeAtRisk({ ...other, epoch: epoch - 1 }, revision ?? 0), null);
      assert.ok(Number(await plain.writeAtRisk(other, revision ?? 0)) > Number(revision));
    });

    it('of what operators write', async () => {
      assert.equal(await twice.writeOperation(support.operation('00000001'), 0, null), true);
      assert.equal(await twice.writePause(support.pause('a'), 0, null), true);
      assert.equal(await twice.writePause(null, (await plain.read()).revisions.paused, null), true);
      assert.equal(await twice.writeRestored(support.restored('a'), await twice.read()), true);
      assert.equal(await twice.beginEra(support.era(1), ['a'], await twice.read()), true);
      await cluster.put('paused', 'broken');
      assert.equal(await twice.mendKey('paused', (await plain.read()).revisions.paused, null), true);
    });

    it('of the history and of a host', async () => {
      assert.equal(await twice.writeHistory(support.history(7), 0), true);
      const { leaseId } = await twice.grantLease();
      await twice.publishNode(support.node('a'), leaseId);
      assert.equal((await plain.read()).nodes.length, 1);
    });
  });

  describe("is no success when what is there is somebody else's", () => {
    it('who leads, though its record is the same', async () => {
      const [mine, theirs] = [await plain.grantLease(), await plain.grantLease()];
      const view = await plain.read();
      await plain.claimLeadership(leader('a'), theirs.leaseId, claimBy(view));
      assert.deepEqual(await twice.claimLeadership(leader('a'), mine.leaseId, claimBy(view)), { won: false });
    });

    it('who leads since, with another record', async () => {
      const { epoch, leaseId } = await lead(plain, 'a');
      between = () => cluster.put('leader', leader('c'));
      assert.deepEqual(await twice.moveLeadership(epoch, leader('b', 'moved'), leaseId), { won: false });
    });

    it('who deleted the key since', async () => {
      const { epoch, leaseId } = await lead(plain, 'a');
      between = () => cluster.delete('leader');
      assert.deepEqual(await twice.moveLeadership(epoch, leader('b', 'moved'), leaseId), { won: false });
    });

    it('who wrote the record since', async () => {
      between = () => cluster.put('operation', support.operation('00000002'));
      assert.equal(await twice.writeOperation(support.operation('00000001'), 0, null), false);
    });

    it('who paused since it was ended', async () => {
      await plain.writePause(support.pause('a'), 0, null);
      between = () => cluster.put('paused', support.pause('b'));
      assert.equal(await twice.writePause(null, (await plain.read()).revisions.paused, null), false);
    });

    it('who wrote one of several keys anew, though with the same value', async () => {
      await plain.writeRestored(support.restored('a'), await plain.read());
      const reason = 'etcd was restored, accepted by operator';
      between = () => cluster.put('insync', { members: ['a'], epoch: 0, reason });
      assert.equal(await twice.beginEra(support.era(1), ['a'], await plain.read()), false);
    });
  });
});

describe('a wall clock that steps by hours', { timeout: 60_000 }, () => {
  let etcd: OneEtcd;
  before(async () => {
    etcd = await OneEtcd.start();
  });
  after(() => etcd.dispose());

  it('changes nothing about who leads, under which epoch, and for how long', async () => {
    const cluster = new support.StoredCluster(etcd);
    const clock = support.steppedClock();
    const [a, b] = [cluster.open({ clock }), cluster.open({ clock })];
    try {
      const sentAfterMs = clock.bootTimeMs();
      const { epoch, leaseId } = await lead(a, 'a');
      const renewed = await a.renewLease(leaseId);
      assert.ok(renewed !== null && renewed.sentAtMs >= sentAfterMs);
      assert.ok(renewed.sentAtMs <= clock.bootTimeMs());
      const view = await a.read();
      assert.equal(await a.writeInSync(epoch, ['a', 'b'], 'added b', view.revisions.insync), true);
      assert.equal(await a.writeOperation(support.operation('00000001'), 0, epoch), true);
      const { operation, sentAtMs } = await b.read();
      assert.equal(operation?.dueAtMs, sentAtMs, 'what begins at once is due at once');
      const other = await b.grantLease();
      const moved = support.epochOf(await a.moveLeadership(epoch, leader('b', 'moved'), other.leaseId));
      assert.ok(moved > epoch);
      assert.equal(await a.writeInSync(epoch, ['a'], 'removed b', view.revisions.insync), false);
      await b.releaseLeadership(moved, support.departure('b', moved));
      assert.ok((await lead(a, 'a')).epoch > moved);
    } finally {
      cluster.close();
    }
  });
});
