/** What the real follower has synced, by its system calls, when it counts as having it (G3). */
import assert from 'node:assert/strict';
import { mkdirSync, realpathSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { SyncWatch } from '../../lab/syscalls.ts';
import { Cluster } from './support/cluster.ts';

describe('the disk of a follower', { timeout: 60_000 }, () => {
  it('has what was fetched, and what came with the records', async () => {
    await using cluster = await Cluster.start(['one', 'two'], {}, ({ nodeId, settings }) => {
      writeFileSync(join(settings.filesRoot, 'equal'), 'text');
      utimesSync(join(settings.filesRoot, 'equal'), 1000, 1000);
      if (nodeId === 'two') return;
      mkdirSync(join(settings.filesRoot, 'd'));
      writeFileSync(join(settings.filesRoot, 'd/new'), 'text');
    });
    const two = cluster.host('two');
    const root = realpathSync(two.settings.filesRoot);
    await using watch = await SyncWatch.on(two.pid, join(cluster.root, 'calls'));
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    const after = watch.done;
    for (const path of [root, `${root}/d`, `${root}/d/new`])
      assert.ok(after.includes(`fsync(${path})`), after.join('\n'));

    node.put('d/streamed', 'text');
    await node.settled();
    for (const path of [`${root}/d/streamed`, `${root}/d`])
      assert.ok(watch.done.slice(after.length).includes(`fsync(${path})`), watch.done.join('\n'));
  });
});
