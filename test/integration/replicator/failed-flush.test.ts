import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { FailingFlush } from '../../lab/syscalls.ts';
import { Cluster } from './support/cluster.ts';
import { describeTree } from './support/trees.ts';

describe('a file whose flush fails (P6)', () => {
  it('is fetched anew by a standby, into a new file, and the standby is not in sync before', async () => {
    await using cluster = await Cluster.start(['one', 'two'], { syncTimeoutMs: 1000 });
    const [one, two] = [cluster.host('one'), cluster.host('two')];
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    const content = Buffer.alloc(256 * 1024, 'first');
    node.put('bad', content);
    node.put('good', 'as it was');
    await node.settled();
    const bad = join(two.settings.filesRoot, 'bad');
    const before = statSync(bad, { bigint: true }).birthtimeNs;

    {
      await using _ = await FailingFlush.on(two.pid, bad);
      const handle = node.openExisting('bad');
      node.write(handle, 1000, Buffer.from('second'));
      node.closeFile(handle);
      await two.until('the engine to end', () => two.hasEnded);
    }
    cluster.dead.add('two');
    cluster.announce();
    await node.settled();
    assert.deepEqual(cluster.inSync, ['one']);
    assert.match(two.log, /the storage engine ends: .*bad/);

    two.forget();
    await two.start();
    cluster.dead.delete('two');
    cluster.announce();
    cluster.follow('two', 'one');
    const failed = await two.until('the report', () => two.status?.failedFiles);
    assert.deepEqual(failed, { files: 1, first: 'bad' });
    await one.until('its stream', () =>
      one.status?.peers.some(({ nodeId, state }) => nodeId === 'two' && state !== 'away'),
    );
    node.put('meanwhile', 'x');
    await node.settled();
    await setTimeout(1000);
    assert.deepEqual(cluster.inSync, ['one'], 'what it may lack is not known before');
    assert.equal(two.status?.caughtUp, false);

    two.send({ type: 'replace-failed-files' });
    await cluster.untilInSync('two');
    assert.notEqual(statSync(bad, { bigint: true }).birthtimeNs, before, 'another file');
    content.write('second', 1000);
    assert.ok(readFileSync(bad).equals(content));
    assert.deepEqual(describeTree(two.settings.filesRoot), describeTree(one.settings.filesRoot));
    await two.until('the end of the alarm', () => two.status?.failedFiles === null);
    assert.match(two.log, /FLUSH_FAILED.*bad.*fetched anew/);
  });

  it('of a leader goes on in service, and is not taken away by an order that comes too late', async () => {
    await using cluster = await Cluster.start(['one', 'two'], { syncTimeoutMs: 1000 });
    const one = cluster.host('one');
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    node.put('bad', 'first');
    await node.settled();
    const bad = join(one.settings.filesRoot, 'bad');
    {
      await using _ = await FailingFlush.on(one.pid, bad);
      const handle = node.openExisting('bad');
      node.write(handle, 0, Buffer.from('SECOND'));
      node.closeFile(handle);
      await one.until('the engine to end', () => one.hasEnded);
    }
    await assert.rejects(node.settled(), 'the close is not acknowledged');
    one.forget();
    await one.start();
    cluster.announce();
    cluster.epoch -= 1;
    const again = await cluster.lead('one');
    one.send({ type: 'replace-failed-files' });
    again.put('later', 'x');
    await again.settled();
    assert.deepEqual(one.status?.failedFiles, { files: 1, first: 'bad' });
    assert.equal(readFileSync(bad, 'utf8').toLowerCase(), 'second');
    assert.deepEqual(
      describeTree(cluster.host('two').settings.filesRoot),
      describeTree(one.settings.filesRoot),
    );
  });
});
