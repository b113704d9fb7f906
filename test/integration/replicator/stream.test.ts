import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { CuttableProxy } from './support/cuttable-proxy.ts';
import { RandomWork, seededRandom } from './support/random-work.ts';
import { describeTree } from './support/trees.ts';

it('G3: a write is on the follower when it is acknowledged', async () => {
  await using cluster = await Cluster.start(['one', 'two']);
  const node = await cluster.lead('one');
  await cluster.untilInSync('two');
  node.mkdir('alice');
  node.put('alice/report.txt', 'all of it');
  await node.settled();
  const copy = join(cluster.host('two').settings.filesRoot, 'alice/report.txt');
  assert.equal(readFileSync(copy, 'utf8'), 'all of it');

  node.setAttributes('alice/report.txt', { mode: 0o600, accessedAtUs: 1e6, modifiedAtUs: 1_600_000_000e6 });
  node.rename('alice/report.txt', 'alice/final.txt');
  node.symlink('../../etc', 'alice/link');
  node.link('alice/final.txt', 'alice/hard');
  node.mkdir('alice/empty');
  node.rmdir('alice/empty');
  node.put('alice/gone', 'x');
  node.remove('alice/gone');
  await node.settled();
  const [one, two] = ['one', 'two'].map((name) => describeTree(cluster.host(name).settings.filesRoot));
  assert.deepEqual(two, one);
});

it('goes on from the window after the line was cut, without a comparison', async () => {
  await using cluster = await Cluster.start(['one', 'two'], { syncTimeoutMs: 10_000 });
  const [one, two] = [cluster.host('one'), cluster.host('two')];
  const proxy = await CuttableProxy.to(one.port);
  try {
    two.send({ type: 'peers', peers: [{ ...one.asPeer(), port: proxy.port }] });
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    const work = new RandomWork(node, seededRandom(5));
    for (let cuts = 0; cuts < 3; cuts++) {
      await work.run(100);
      proxy.cut();
      await work.run(100);
    }
    await work.finish();
    assert.deepEqual(
      ...(['two', 'one'].map((name) => describeTree(cluster.host(name).settings.filesRoot)) as [
        string[],
        string[],
      ]),
    );
    assert.ok(proxy.connections > 1);
    assert.ok(two.mostUncertain < 20, 'it took up the records where it was');
    assert.deepEqual(cluster.inSync, ['one', 'two']);
  } finally {
    proxy.close();
  }
});
