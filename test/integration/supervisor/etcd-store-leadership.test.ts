import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { EtcdStore } from '../../../supervisor/adapters/etcd/store.ts';
import type { ClusterView } from '../../../supervisor/core/records/records.ts';
import * as support from './support/etcd-stores.ts';
import { OneEtcd } from './support/one-etcd.ts';

const { claimBy, lead, leader } = support;
const lost = { won: false } as const;
const leaseLost = { code: 'LEASE_LOST' };

/** What each write of leadership compares, at a real etcd: everything else about it may have changed since the read. */
describe('leadership in etcd', { timeout: 60_000 }, () => {
  let etcd: OneEtcd;
  let cluster: support.StoredCluster;
  let a: EtcdStore;
  let b: EtcdStore;
  before(async () => {
    etcd = await OneEtcd.start();
  });
  after(() => etcd.dispose());
  beforeEach(() => {
    cluster = new support.StoredCluster(etcd);
    [a, b] = [cluster.open(), cluster.open()];
  });
  afterEach(() => cluster.close());

  describe('a claim', () => {
    let view: ClusterView;
    let leaseId: string;
    /** A cluster that had a leader, which is gone, and a claim of b by what is there now. */
    beforeEach(async () => {
      const { epoch } = await lead(a, 'a');
      await a.writeInSync(epoch, ['a', 'b'], 'added b', (await a.read()).revisions.insync);
      await a.releaseLeadership(epoch, support.departure('a', epoch));
      view = await b.read();
      leaseId = (await b.grantLease()).leaseId;
    });
    const claim = (parts = {}) => b.claimLeadership(leader('b'), leaseId, claimBy(view, parts));

    it('wins when nothing changed; its epoch is that of the key, and larger than the last', async () => {
      const epoch = support.epochOf(await claim());
      const found = await a.read();
      assert.deepEqual([found.leader?.node, found.leader?.epoch], ['b', epoch]);
      assert.ok(epoch > (view.departure?.epoch ?? Number.POSITIVE_INFINITY));
      assert.deepEqual(found.inSync?.members, ['a', 'b'], 'the in-sync set is left as it was');
    });

    it('loses against a leader', async () => {
      const other = await lead(a, 'a');
      assert.deepEqual(await claim(), lost);
      assert.equal((await a.read()).leader?.epoch, other.epoch);
    });

    it('loses when the in-sync set was written since the read', async () => {
      const other = await lead(a, 'a');
      await a.writeInSync(other.epoch, ['a'], 'removed b', view.revisions.insync);
      await a.releaseLeadership(other.epoch, support.departure('a', other.epoch));
      assert.deepEqual(await claim(), lost);
    });

    it('loses when the in-sync set was deleted since the read', async () => {
      await cluster.delete('insync');
      assert.deepEqual(await claim(), lost);
    });

    it('loses when its operation was written since the read', async () => {
      await a.writeOperation(support.operation('00000001'), 0, null);
      view = await b.read();
      const operationModRevision = view.revisions.operation;
      await a.writeOperation(support.operation('00000002'), operationModRevision, null);
      assert.deepEqual(await claim({ operationModRevision }), lost);
      assert.equal((await claim()).won, true, 'one that acts for no operation does not mind');
    });

    it('loses when a new era began since the read', async () => {
      // The set is as it was: only the era tells.
      await cluster.put('era', support.era(1));
      assert.deepEqual(await claim(), lost);
      view = await b.read();
      assert.ok(support.epochOf(await claim()) > 1_000_000_000);
    });

    it('fails when its lease has ended, and nothing is written', async () => {
      await b.revokeLease(leaseId);
      await assert.rejects(claim(), leaseLost);
      assert.equal((await a.read()).leader, null);
    });

    it('alone makes the set anew', async () => {
      assert.equal((await claim({ alone: true })).won, true);
      assert.deepEqual((await a.read()).inSync?.members, ['b']);
    });
  });

  describe('the first claim in the life of a cluster', () => {
    it('begins the in-sync set and the format', async () => {
      await lead(a, 'a');
      const { inSync, format, isNew } = await b.read();
      assert.deepEqual([inSync?.members, format?.by, isNew], [['a'], 'a', false]);
    });

    for (const [what, key, value] of [
      ['a format', 'format', { version: 1, by: 'c' }],
      ['a history', 'history/5', support.history(5)],
    ] as const) {
      it(`loses when ${what} is there by now`, async () => {
        const view = await b.read();
        assert.equal(view.isNew, true);
        const { leaseId } = await b.grantLease();
        await cluster.put(key, value);
        assert.deepEqual(await b.claimLeadership(leader('b'), leaseId, claimBy(view)), lost);
        const found = await a.read();
        assert.deepEqual([found.leader, found.inSync], [null, null]);
      });
    }
  });

  describe('a leadership', () => {
    let epoch: number;
    let leaseId: string;
    /** Epoch of a leadership that was and is no more: a led, and leads again. */
    let before: number;
    beforeEach(async () => {
      before = (await lead(a, 'a')).epoch;
      await a.releaseLeadership(before, support.departure('a', before));
      ({ epoch, leaseId } = await lead(a, 'a'));
    });

    it('is moved to the lease of another host, under a new epoch', async () => {
      const other = await b.grantLease();
      const moved = support.epochOf(await a.moveLeadership(epoch, leader('b', 'moved'), other.leaseId));
      assert.ok(moved > epoch);
      await a.revokeLease(leaseId);
      const found = (await b.read()).leader;
      assert.deepEqual([found?.node, found?.epoch, found?.leaseId], ['b', moved, other.leaseId]);
    });

    it('is not moved by who led before', async () => {
      const other = await b.grantLease();
      assert.deepEqual(await a.moveLeadership(before, leader('b', 'moved'), other.leaseId), lost);
      assert.equal((await b.read()).leader?.epoch, epoch);
    });

    it('is not moved to a lease that has ended', async () => {
      const other = await b.grantLease();
      await b.revokeLease(other.leaseId);
      await assert.rejects(a.moveLeadership(epoch, leader('b', 'moved'), other.leaseId), leaseLost);
      assert.equal((await b.read()).leader?.epoch, epoch);
    });

    it('is released with a word why', async () => {
      const departure = support.departure('a', epoch);
      await a.releaseLeadership(epoch, departure);
      const found = await b.read();
      assert.deepEqual([found.leader, found.departure], [null, departure]);
    });

    it('is not released by who led before, whose word does not count', async () => {
      const departure = {
        ...support.departure('a', before),
        cause: { code: 'LEASE_LOST', sentence: 'late' },
      };
      await a.releaseLeadership(before, departure);
      const found = await b.read();
      assert.deepEqual([found.leader?.epoch, found.departure?.cause.code], [epoch, 'STOPPING']);
    });

    it('writes the in-sync set', async () => {
      const { revisions } = await a.read();
      assert.equal(await a.writeInSync(epoch, ['a', 'b'], 'added b', revisions.insync), true);
      const { inSync } = await b.read();
      assert.deepEqual([inSync?.members, inSync?.epoch], [['a', 'b'], epoch]);
    });

    it('does not write the in-sync set under an epoch that is over', async () => {
      const { revisions } = await a.read();
      assert.equal(await a.writeInSync(before, ['a', 'b'], 'added b', revisions.insync), false);
      assert.deepEqual((await b.read()).inSync?.members, ['a']);
    });

    it('does not write an in-sync set that changed since the read', async () => {
      const { revisions } = await a.read();
      await a.writeInSync(epoch, ['a', 'b'], 'added b', revisions.insync);
      assert.equal(await a.writeInSync(epoch, ['a', 'c'], 'added c', revisions.insync), false);
      assert.deepEqual((await b.read()).inSync?.members, ['a', 'b']);
    });

    it('writes an in-sync set that is gone as one that is not there, and no other', async () => {
      const { revisions } = await a.read();
      await cluster.delete('insync');
      assert.equal(await a.writeInSync(epoch, ['a', 'b'], 'added b', revisions.insync), false);
      assert.equal((await b.read()).inSync, null);
      assert.equal(await a.writeInSync(epoch, ['a'], 'was gone', 0), true);
    });

    it('names a successor, on its own lease, and takes that back', async () => {
      assert.equal(await a.writeSuccessor(epoch, 'b', leaseId), true);
      assert.deepEqual((await b.read()).successor, { node: 'b', epoch });
      assert.equal(await a.writeSuccessor(epoch, null, leaseId), true);
      assert.equal((await b.read()).successor, null);
      await a.writeSuccessor(epoch, 'b', leaseId);
      await a.revokeLease(leaseId);
      assert.equal((await b.read()).successor, null);
    });

    it('names no successor once it is over, nor takes one back', async () => {
      assert.equal(await a.writeSuccessor(before, 'c', leaseId), false);
      assert.equal((await b.read()).successor, null);
      await a.writeSuccessor(epoch, 'b', leaseId);
      assert.equal(await a.writeSuccessor(before, null, leaseId), false);
      assert.equal((await b.read()).successor?.node, 'b');
    });

    it('names no successor on a lease that has ended', async () => {
      const other = await a.grantLease();
      await a.revokeLease(other.leaseId);
      await assert.rejects(a.writeSuccessor(epoch, 'b', other.leaseId), leaseLost);
    });

    it('says the format when nothing does, and never over another', async () => {
      await cluster.delete('format');
      assert.equal(await a.writeFormat(before, 'a'), false, 'a leadership that is over');
      assert.equal((await b.read()).format, null);
      assert.equal(await a.writeFormat(epoch, 'a'), true);
      assert.equal((await b.read()).format?.by, 'a');
      await cluster.put('format', { version: 2, by: 'c' });
      assert.equal(await a.writeFormat(epoch, 'a'), false);
      assert.equal((await b.read()).format?.version, 2);
    });
  });
});
