import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { EtcdStore } from '../../../supervisor/adapters/etcd/store.ts';
import { historyLimit } from '../../../supervisor/core/records/history.ts';
import * as support from './support/etcd-stores.ts';
import { OneEtcd } from './support/one-etcd.ts';

/** What each write of a record compares, at a real etcd. */
describe('records in etcd', { timeout: 60_000 }, () => {
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

  /** Both are written over what was read alone, and under whose leadership their author says. */
  for (const { what, key, write, written } of [
    {
      what: 'the operation',
      key: 'operation' as const,
      write: (store: EtcdStore, id: number, modRevision: number, epoch: number | null) =>
        store.writeOperation(support.operation(`0000000${id}`), modRevision, epoch),
      written: async () => Number((await b.read()).operation?.id ?? 0),
    },
    {
      what: 'the pause',
      key: 'paused' as const,
      write: (store: EtcdStore, id: number, modRevision: number, epoch: number | null) =>
        store.writePause(support.pause(String(id)), modRevision, epoch),
      written: async () => Number((await b.read()).paused?.by ?? 0),
    },
  ]) {
    describe(what, () => {
      const revision = async () => (await a.read()).revisions[key];

      it('is written where there is none, and over what was read', async () => {
        assert.equal(await write(a, 1, 0, null), true);
        assert.equal(await write(a, 2, await revision(), null), true);
        assert.equal(await written(), 2);
      });

      it('is not written over what was not read', async () => {
        await write(a, 1, 0, null);
        assert.equal(await write(a, 2, 0, null), false, 'read when there was none');
        const old = await revision();
        await write(b, 3, old, null);
        assert.equal(await write(a, 4, old, null), false, 'read before it changed');
        assert.equal(await written(), 3);
      });

      it('is not written where it was deleted since the read', async () => {
        await write(a, 1, 0, null);
        const old = await revision();
        await cluster.delete(key);
        assert.equal(await write(a, 2, old, null), false);
        assert.equal(await written(), 0);
      });

      it('is written by a leader while it leads, and not after', async () => {
        const { epoch } = await support.lead(a, 'a');
        assert.equal(await write(a, 1, 0, epoch), true);
        await a.releaseLeadership(epoch, support.departure('a', epoch));
        assert.equal(await write(a, 2, await revision(), epoch), false, 'nobody leads');
        await support.lead(b, 'b');
        assert.equal(await write(a, 2, await revision(), epoch), false, 'somebody else leads');
        assert.equal(await written(), 1);
      });

      it('is written for a cluster that nobody leads, unless somebody does by now', async () => {
        assert.equal(await write(a, 1, 0, 0), true);
        await support.lead(b, 'b');
        assert.equal(await write(a, 2, await revision(), 0), false);
        assert.equal(await write(a, 3, await revision(), null), true, 'whoever leads');
        assert.equal(await written(), 3);
      });
    });
  }

  it('a pause is ended as it was read, and a later one is not', async () => {
    await a.writePause(support.pause('first'), 0, null);
    const old = (await a.read()).revisions.paused;
    await b.writePause(support.pause('second'), old, null);
    assert.equal(await a.writePause(null, old, null), false);
    assert.equal((await b.read()).paused?.by, 'second');
    assert.equal(await a.writePause(null, (await a.read()).revisions.paused, null), true);
    assert.equal((await b.read()).paused, null);
    assert.equal(await a.writePause(support.pause('first'), 0, null), false, 'the first request once more');
    assert.equal(await b.writePause(support.pause('third'), (await b.read()).revisions.paused, null), true);
    assert.equal((await a.read()).paused?.by, 'third');
  });

  describe('a restored etcd', () => {
    it('is told once', async () => {
      const view = await a.read();
      assert.equal(await b.writeRestored(support.restored('b'), await b.read()), true);
      assert.equal(await a.writeRestored(support.restored('a'), view), false);
      assert.equal((await a.read()).restored?.by, 'b');
    });

    it('is not told by who did not see that it was accepted', async () => {
      const view = await a.read();
      assert.equal(await b.beginEra(support.era(1), ['b'], await b.read()), true);
      assert.equal(await a.writeRestored(support.restored('a'), view), false);
      assert.equal((await a.read()).restored, null);
    });

    it('begins an era, with who is in sync, and is over', async () => {
      await a.writeRestored(support.restored('a'), await a.read());
      assert.equal(await a.beginEra(support.era(1), ['a', 'b'], await a.read()), true);
      const { era, inSync, restored } = await b.read();
      assert.deepEqual([era, inSync?.members, restored], [1, ['a', 'b'], null]);
    });

    for (const [what, change] of [
      ['somebody leads', () => support.lead(b, 'b')],
      ['another era began', () => cluster.put('era', support.era(1, 'somebody else'))],
      ['the in-sync set was written', () => cluster.put('insync', { members: ['c'], epoch: 0, reason: '' })],
      ['it was told again', () => cluster.put('restored', support.restored('c'))],
    ] as const) {
      it(`begins no era when ${what} since the read`, async () => {
        // So that the leader writes nothing but its key.
        await cluster.put('insync', { members: ['a', 'b'], epoch: 0, reason: '' });
        await cluster.put('format', { version: 1, by: 'a' });
        await a.writeRestored(support.restored('a'), await a.read());
        const view = await a.read();
        await change();
        assert.equal(await a.beginEra(support.era(1), ['a'], view), false);
        assert.notDeepEqual((await b.read()).inSync?.members, ['a']);
      });
    }
  });

  describe('a key that cannot be read', () => {
    it('is deleted as it was read, and not once it was written', async () => {
      await cluster.put('insync', 'broken');
      const old = (await a.read()).revisions.insync;
      await cluster.put('insync', { members: ['a'], epoch: 0, reason: 'put right' });
      assert.equal(await a.mendKey('insync', old, null), false);
      assert.deepEqual((await b.read()).inSync?.members, ['a']);
      assert.equal(await a.mendKey('insync', (await a.read()).revisions.insync, null), true);
      assert.equal((await b.read()).inSync, null);
    });

    it('gets an era in its place where it is that of the era', async () => {
      await cluster.put('era', 'broken');
      assert.equal(await a.mendKey('era', (await a.read()).revisions.era, support.era(3)), true);
      assert.equal((await b.read()).era, 3);
    });
  });

  describe('the history', () => {
    it('is written where there is none, and over what was read alone', async () => {
      assert.equal(await a.writeHistory(support.history(7, 'a'), 0), true);
      assert.equal(await a.writeHistory(support.history(7, 'b'), 0), false);
      const [entry] = await b.readHistory();
      assert.equal(entry?.record.node, 'a');
      assert.equal(await a.writeHistory(support.history(7, 'c'), entry?.modRevision ?? 0), true);
      assert.equal(await b.writeHistory(support.history(7, 'd'), entry?.modRevision ?? 0), false);
      assert.equal((await b.readHistory())[0]?.record.node, 'c');
    });

    it('keeps the last ones, as many as one transaction can delete at a time', async () => {
      const tooMany = historyLimit + 120;
      for (let epoch = 1; epoch < tooMany; epoch += 100) {
        const epochs = Array.from({ length: Math.min(100, tooMany - epoch) }, (_, index) => epoch + index);
        await cluster.putAll(epochs.map((number) => [`history/${number}`, support.history(number)]));
      }
      await a.writeHistory(support.history(tooMany), 0);
      assert.deepEqual(epochsOf(await b.readHistory()), [101, tooMany]);
      await a.writeHistory(support.history(tooMany + 1), 0);
      assert.deepEqual(epochsOf(await b.readHistory()), [tooMany + 2 - historyLimit, tooMany + 1]);
    });

    const epochsOf = (entries: Awaited<ReturnType<EtcdStore['readHistory']>>) => [
      entries[0]?.record.epoch,
      entries.at(-1)?.record.epoch,
    ];
  });

  describe('a host', () => {
    it('is published on its lease, and gone with it', async () => {
      const { leaseId } = await a.grantLease();
      await a.publishNode(support.node('a'), leaseId);
      await a.publishPeer({ node: 'a', address: '10.0.0.1', port: 7420, publicKey: 'key' });
      const { nodes } = await b.read();
      assert.deepEqual([nodes[0]?.node, nodes[0]?.leaseId], ['a', leaseId]);
      await a.revokeLease(leaseId);
      const found = await b.read();
      assert.deepEqual([found.nodes, found.peers[0]?.node], [[], 'a']);
    });

    it('is not published on a lease that has ended', async () => {
      const { leaseId } = await a.grantLease();
      await a.revokeLease(leaseId);
      await assert.rejects(a.publishNode(support.node('a'), leaseId), { code: 'LEASE_LOST' });
      assert.deepEqual((await b.read()).nodes, []);
    });

    it('learns that its lease has ended', async () => {
      const { leaseId } = await a.grantLease();
      assert.equal((await a.renewLease(leaseId))?.leaseId, leaseId);
      await a.revokeLease(leaseId);
      assert.equal(await a.renewLease(leaseId), null);
      await a.revokeLease(leaseId);
    });
  });
});
