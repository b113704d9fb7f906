import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { HostAtRisk } from '#contracts/ipc/at-risk.ts';
import { Cluster } from './support/cluster.ts';

const pathsOf = (host: HostAtRisk | undefined) => host?.names.map(({ change, path }) => `${change} ${path}`);

describe('files at risk (G3)', () => {
  it('are those that were acknowledged while a standby was away, until it has them', async () => {
    await using cluster = await Cluster.start(['one', 'two'], { syncTimeoutMs: 1000 });
    const [one, two] = [cluster.host('one'), cluster.host('two')];
    const node = await cluster.lead('one');
    one.send({ type: 'held', held: [] });
    await cluster.untilInSync('two');
    node.put('before', 'both have it');
    node.put('renamed', 'later');
    const open = node.create('grows');
    await node.settled();
    assert.deepEqual(await one.askAtRisk(), [], 'a host of the in-sync set lacks nothing');
    assert.equal(await two.askAtRisk(), null, 'who follows does not know');

    const hasAll = () =>
      (one.status?.position.sequence ?? 0) >= 8 && one.status?.peers[0]?.lagOperations === 0;
    await one.until('its word that it has all', hasAll);
    cluster.dead.add('two');
    await two.kill();
    cluster.announce();
    node.write(open, 0, Buffer.from('more'));
    node.put('in-the-meantime', 'x');
    node.put('passing', 'x');
    node.remove('passing');
    node.rename('renamed', 'new name');
    node.closeFile(open);
    await node.settled();
    const [lacking] = (await one.askAtRisk()) ?? [];
    assert.deepEqual(pathsOf(lacking)?.sort(), [
      'removed renamed',
      'stored grows',
      'stored in-the-meantime',
      'stored new name',
    ]);
    assert.deepEqual([lacking?.nodeId, lacking?.isWhole, lacking?.unknown], ['two', true, null]);
    await one.until('the report', () => one.status?.atRisk?.[0]?.total === 4);

    const again = await cluster.restart('one');
    const later = await cluster.lead('one', []);
    again.send({ type: 'held', held: [{ nodeId: 'two', position: lacking?.holds ?? assert.fail() }] });
    later.put('after the restart', 'x');
    await later.settled();
    const [still] = (await again.askAtRisk()) ?? [];
    assert.equal(still?.total, 5, 'another leader goes on from what was known');

    cluster.dead.delete('two');
    await two.start();
    cluster.announce();
    cluster.follow('two', 'one');
    await cluster.untilInSync('two');
    assert.deepEqual(await again.askAtRisk(), []);
    await again.until('an empty report', () => again.status?.atRisk?.length === 0);
  });

  it('are told of a standby whose acknowledgements nobody waits for', async () => {
    await using cluster = await Cluster.start(['one', 'two'], { mode: 'async' });
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    node.put('a', 'x');
    await node.settled();
    const one = cluster.host('one');
    const lacking = async () => ((await one.askAtRisk()) ?? [])[0];
    for (let tries = 0; (await lacking())?.total !== 0; tries++) {
      assert.ok(tries < 200, 'it receives it in a while');
      await setTimeout(50);
    }
    await cluster.host('two').kill();
    node.put('b', 'x');
    await node.settled();
    assert.deepEqual(pathsOf(await lacking()), ['stored b']);
  });
});
