import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Cluster } from './support/cluster.ts';
import { Door } from './support/door.ts';
import type { Host } from './support/host.ts';
import { RandomWork, seededRandom } from './support/random-work.ts';
import { describeTree } from './support/trees.ts';

function trees(cluster: Cluster, ...nodeIds: string[]): string[][] {
  return nodeIds.map((nodeId) => describeTree(cluster.host(nodeId).settings.filesRoot));
}

describe('resync', () => {
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
      await cluster.host('two').until('two in sync', () => cluster.host('two').status?.caughtUp);
      await cluster.untilInSync('two');
      await work.run(100);
      await work.finish();
      const [one, two] = trees(cluster, 'one', 'two');
      assert.deepEqual(two, one);
    });
  }

  it('moves what only a diverged host had to quarantine, with a count', async () => {
    await using cluster = await Cluster.start(['one', 'two'], {}, putDivergedFiles);
    const two = cluster.host('two');
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
    await using cluster = await Cluster.start(['one', 'two'], {}, putDivergedFiles);
    const two = cluster.host('two');
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
    node.rename('upload', 'upload.part');
    node.write(handle, 300_000, Buffer.alloc(1000, 'b'));
    node.write(removed, 0, Buffer.from('still gone'));
    node.closeFile(removed);
    node.closeFile(handle);
    await node.settled();
    assert.deepEqual(...(trees(cluster, 'two', 'one') as [string[], string[]]));
  });

  it('brings over what is written to a large file while it is being fetched', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    const node = await cluster.lead('one', []);
    const size = 40_000_000;
    const handle = node.create('large');
    node.write(handle, 0, Buffer.alloc(500_000, 'a'));
    node.write(handle, size - 1, Buffer.from('z'));
    await node.settled();
    cluster.follow('two', 'one');
    for (let write = 0; !cluster.inSync.includes('two'); write++) {
      node.write(handle, (write * 100_003) % size, Buffer.alloc(100, write));
      await setTimeout(1);
    }
    node.closeFile(handle);
    await node.settled();
    assert.deepEqual(...(trees(cluster, 'two', 'one') as [string[], string[]]));
    const [one = 0, two = 0] = ['one', 'two'].map(
      (name) => statSync(join(cluster.host(name).settings.filesRoot, 'large')).mtimeMs,
    );
    assert.ok(Math.abs(one - two) < 0.001, 'its time came too');
    const told = cluster
      .host('two')
      .received.flatMap((message) =>
        message.type === 'status' && message.resync !== null ? [message.resync] : [],
      );
    assert.ok(Math.max(...told.map(({ missingBytes }) => missingBytes)) > 0, 'what it lacked');
    assert.ok(Math.max(...told.map(({ comparedBytes }) => comparedBytes)) > 0, 'and what came of it');
  });

  it('is from the log alone when a host was away, however large the tree is', async () => {
    await using cluster = await Cluster.start(['one', 'two'], { syncTimeoutMs: 500 });
    const node = await cluster.lead('one');
    for (let number = 0; number < 500; number++) node.put(`file-${number}`, `${number}`);
    await cluster.untilInSync('two');
    await node.settled();
    const two = cluster.host('two');
    await two.kill();
    for (let number = 0; number < 500; number += 50) node.remove(`file-${number}`);
    node.put('file-7', 'another');
    node.rename('file-8', 'moved');
    await node.settled();
    assert.deepEqual(cluster.inSync, ['one']);
    await cluster.restart('two');
    cluster.follow('two', 'one');
    await cluster.untilInSync('two');
    assert.ok(two.mostUncertain < 20, `${two.mostUncertain} names were asked for`);
    assert.deepEqual(...(trees(cluster, 'two', 'one') as [string[], string[]]));
    assert.equal(two.status?.quarantined, 0, 'nothing that clients removed or renamed is set aside');
  });

  it('goes on under the same leadership when the process of the leader died', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    const [one, two] = [cluster.host('one'), cluster.host('two')];
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    const idle = await Door.connect(one.settings, cluster.epoch);
    node.put('before', 'acknowledged');
    await node.settled();
    const open = node.create('open');
    node.write(open, 0, Buffer.alloc(300_000, 'o'));
    await node.settled();
    await cluster.restart('one');
    await node.until(() => node.isLost);
    one.send({ type: 'lead', epoch: cluster.epoch, inSync: cluster.inSync, root: one.rootId });
    await one.permit(cluster.epoch);
    idle.put('after', 'by a session that goes on');
    await idle.settled();
    assert.ok(!idle.isLost);
    await cluster.untilInSync('two');
    assert.deepEqual(...(trees(cluster, 'two', 'one') as [string[], string[]]));
    assert.ok(two.mostUncertain < 20);
    assert.doesNotMatch(two.log, /HISTORY_DIFFERS/);
    idle.close();
  });

  it('of a member that lost its log begins with its leaving the in-sync set (F4)', async () => {
    await using cluster = await Cluster.start(['one', 'two'], { syncTimeoutMs: 600_000 });
    const [one, two] = [cluster.host('one'), cluster.host('two')];
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    node.put('file', 'acknowledged');
    await node.settled();
    await two.kill();
    rmSync(join(two.settings.stateRoot, 'log'), { recursive: true });
    one.forget();
    await cluster.restart('two');
    cluster.follow('two', 'one');
    const changes = () => one.received.filter((message) => message.type === 'membership');
    await one.until('it to leave and to join', () => changes().length === 2);
    assert.deepEqual(
      changes().map(({ change, nodeId }) => `${change} ${nodeId}`),
      ['remove two', 'add two'],
    );
    assert.match(one.log, /STANDBY_WENT_BACK/);
    assert.deepEqual(...(trees(cluster, 'two', 'one') as [string[], string[]]));
    assert.equal(two.status?.quarantined, 0);
  });

  it('takes back what a deposed leader did and nobody else has', async () => {
    await using cluster = await Cluster.start(['one', 'two'], { syncTimeoutMs: 60_000 });
    const [one, two] = [cluster.host('one'), cluster.host('two')];
    const first = await cluster.lead('one');
    await cluster.untilInSync('two');
    first.put('both', 'of the first');
    first.put('kept', 'as it was');
    await first.settled();
    two.signal('SIGSTOP');
    first.put('both', 'never acknowledged');
    first.put('only-here', 'never acknowledged');
    first.rename('kept', 'renamed');
    await first.until(() => first.asked - first.answered <= 3);
    await one.kill();
    two.signal('SIGCONT');
    cluster.dead.add('one');
    cluster.inSync = ['two'];
    cluster.announce();
    const second = await cluster.lead('two');
    second.put('later', 'of the second');
    await second.settled();
    cluster.dead.delete('one');
    await cluster.restart('one');
    cluster.follow('one', 'two');
    await cluster.untilInSync('one');
    await second.settled();
    assert.deepEqual(...(trees(cluster, 'one', 'two') as [string[], string[]]));
    assert.ok(one.mostUncertain < 20);
  });
});

function putDivergedFiles({ nodeId, settings }: Host): void {
  const at = (path: string) => join(settings.filesRoot, path);
  if (nodeId === 'one') {
    mkdirSync(at('both'));
    writeFileSync(at('both/file'), 'the leader has a folder');
    return;
  }
  mkdirSync(at('alice'));
  writeFileSync(at('alice/only-here'), 'unacknowledged');
  writeFileSync(at('both'), 'the diverged one');
}

function seedsFrom(text: string | undefined, usual: number[]): number[] {
  return text === undefined ? usual : text.split(',').map(Number);
}
