import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Cluster } from './support/cluster.ts';
import { RandomWork, seededRandom } from './support/random-work.ts';
import { describeTree } from './support/trees.ts';

function trees(cluster: Cluster, ...nodeIds: string[]): string[][] {
  return nodeIds.map((nodeId) => describeTree(cluster.host(nodeId).settings.filesRoot));
}

describe('catch-up', () => {
  for (const seed of seedsFrom(process.env.SEEDS, [1, 2, 3])) {
    it(`brings a new follower to the leader's tree while operations run (seed ${seed})`, async () => {
      await using cluster = await Cluster.start(['one', 'two', 'three']);
      const random = seededRandom(seed);
      const node = await cluster.lead('one', ['two']);
      const work = new RandomWork(node, random);
      await work.run(1500);
      cluster.follow('three', 'one');
      await work.runUntil(() => cluster.inSync.includes('three'));
      await cluster.untilInSync('two');
      await work.run(200);
      await work.finish();
      const [one, two, three] = trees(cluster, 'one', 'two', 'three');
      assert.deepEqual(two, one);
      assert.deepEqual(three, one);
      assert.equal(cluster.host('three').catchUps, 1, cluster.host('three').log);
    });

    it(`survives kill -9 of a follower at random points (seed ${seed})`, async () => {
      await using cluster = await Cluster.start(['one', 'two'], { syncTimeoutMs: 1000 });
      const random = seededRandom(seed);
      const node = await cluster.lead('one');
      const work = new RandomWork(node, random);
      for (let kills = 0; kills < 4; kills++) {
        await work.run(100 + random(500));
        await cluster.restart('two');
        cluster.follow('two', 'one');
        await work.run(random(300));
      }
      await cluster.host('two').until('two caught up', () => cluster.host('two').status?.caughtUp);
      await cluster.untilInSync('two');
      await work.run(100);
      await work.finish();
      const [one, two] = trees(cluster, 'one', 'two');
      assert.deepEqual(two, one);
      assert.equal(cluster.host('two').catchUps, 1, cluster.host('two').log);
    });
  }

  it('moves what only a diverged host had to quarantine, with a count', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    const [one, two] = [cluster.host('one'), cluster.host('two')];
    mkdirSync(join(two.settings.filesRoot, 'alice'));
    writeFileSync(join(two.settings.filesRoot, 'alice/only-here'), 'unacknowledged');
    writeFileSync(join(two.settings.filesRoot, 'both'), 'the diverged one');
    writeFileSync(join(one.settings.filesRoot, 'both'), 'the leader has another');
    await cluster.lead('one');
    await cluster.untilInSync('two');
    assert.deepEqual(...(trees(cluster, 'two', 'one') as [string[], string[]]));
    const status = await two.until('the count', () => two.status?.quarantined === 2 && two.status);
    assert.equal(status.quarantined, 2);
    const folder = readdirSync(two.settings.quarantineRoot).find((name) => name.startsWith('aside-1-')) ?? '';
    const kept = join(two.settings.quarantineRoot, folder);
    const keptAs = (name: string) => readdirSync(kept).find((one) => one.endsWith(`-${name}`)) ?? '';
    assert.equal(readFileSync(join(kept, keptAs('alice'), 'only-here'), 'utf8'), 'unacknowledged');
    assert.equal(readFileSync(join(kept, keptAs('both')), 'utf8'), 'the diverged one');
    assert.match(two.log, /moved to quarantine/);
  });

  it('tells what lies in quarantine, and discards of it while it replicates', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    const [one, two] = [cluster.host('one'), cluster.host('two')];
    mkdirSync(join(two.settings.filesRoot, 'alice'));
    writeFileSync(join(two.settings.filesRoot, 'alice/only-here'), 'unacknowledged');
    writeFileSync(join(two.settings.filesRoot, 'both'), 'the diverged one');
    writeFileSync(join(one.settings.filesRoot, 'both'), 'the leader has another');
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    await two.until('the report', () => two.status?.quarantine?.entries === 2);
    const list = await two.askQuarantine({ kind: 'list', before: null, limit: 10 });
    assert.equal(list.kind, 'list');
    const told = (list.kind === 'list' ? list.entries : []).map(({ path, reason, leader }) => ({
      ...{ path, reason, leader },
    }));
    assert.deepEqual(
      told.sort((a, b) => a.path.localeCompare(b.path)),
      [
        { path: 'alice', reason: 'only-here', leader: 'one' },
        { path: 'both', reason: 'differs', leader: 'one' },
      ],
    );
    const selection = { kind: 'all' as const, upTo: null };
    const done = await two.askQuarantine({ kind: 'discard', selection, dryRun: false, by: 'test' });
    assert.equal(done.kind === 'discard' && done.entries, 2);
    await two.until('the report', () => two.status?.quarantine?.entries === 0);
    await two.until(
      'the room',
      () => readdirSync(join(two.settings.quarantineRoot, '.discarded')).length === 0,
    );
    assert.match(two.log, /discarded from quarantine by test/);
    node.put('after', 'replicated');
    await node.settled();
    assert.equal(readFileSync(join(two.settings.filesRoot, 'after'), 'utf8'), 'replicated');
  });

  it('goes on with a file that is open while the follower joins', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    const node = await cluster.lead('one', []);
    const handle = node.create('upload');
    node.write(handle, 0, Buffer.alloc(300_000, 'a'));
    const removed = node.create('removed');
    node.write(removed, 0, Buffer.from('gone'));
    node.remove('removed');
    cluster.follow('two', 'one');
    await cluster.untilInSync('two');
    await node.free();
    node.rename('upload', 'upload.part');
    node.write(handle, 300_000, Buffer.alloc(1000, 'b'));
    node.write(removed, 0, Buffer.from('still gone'));
    node.closeFile(removed);
    node.closeFile(handle);
    await node.settled();
    assert.equal(cluster.host('two').catchUps, 1);
    assert.deepEqual(...(trees(cluster, 'two', 'one') as [string[], string[]]));
  });

  it('brings over what is written to a large file while it is being copied', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    const node = await cluster.lead('one', []);
    const size = 40_000_000;
    const handle = node.create('large');
    node.write(handle, 0, Buffer.alloc(500_000, 'a'));
    node.write(handle, size - 1, Buffer.from('z'));
    const other = node.create('other');
    node.write(other, 0, Buffer.from('text'));
    cluster.follow('two', 'one');
    const last = node.create('last');
    let wroteOther = false;
    for (let write = 0; !cluster.inSync.includes('two'); write++) {
      await node.free();
      if (!wroteOther && cluster.host('two').catchUps === 1) {
        node.write(other, 1, Buffer.from('oa'));
        wroteOther = true;
      }
      // Until the hold: a part of it is new in the last round.
      if (node.holds === 0) node.write(last, write, Buffer.from('x'));
      node.write(handle, (write * 100_003) % size, Buffer.alloc(100, write));
      await setTimeout(1);
    }
    node.closeFile(handle);
    node.closeFile(other);
    node.closeFile(last);
    await node.settled();
    assert.ok(wroteOther);
    assert.equal(cluster.host('two').catchUps, 1, cluster.host('two').log);
    assert.deepEqual(...(trees(cluster, 'two', 'one') as [string[], string[]]));
    for (const file of ['other', 'last']) {
      const [one = 0, two = 0] = ['one', 'two'].map(
        (name) => statSync(join(cluster.host(name).settings.filesRoot, file)).mtimeMs,
      );
      assert.ok(Math.abs(one - two) < 0.001, `the time of ${file} came too`);
    }
  });

  it('catches up after operations were lost between the SFTP node and the replicator', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    const handle = node.create('upload');
    node.write(handle, 0, Buffer.from('first'));
    await node.settled();
    node.close();
    node.write(handle, 5, Buffer.from(' second'));
    node.put('lost', 'never told');
    await node.reconnect();
    node.write(handle, 12, Buffer.from(' third'));
    node.closeFile(handle);
    await node.settled();
    await node.free();
    assert.deepEqual(...(trees(cluster, 'two', 'one') as [string[], string[]]));
    const copy = join(cluster.host('two').settings.filesRoot, 'upload');
    assert.equal(readFileSync(copy, 'utf8'), 'first second third');
  });
});

function seedsFrom(text: string | undefined, usual: number[]): number[] {
  return text === undefined ? usual : text.split(',').map(Number);
}
