import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { Cluster } from './support/cluster.ts';
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

  node.setAttributes('alice/report.txt', { mode: 0o600, accessedAt: 1, modifiedAt: 1_600_000_000 });
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
