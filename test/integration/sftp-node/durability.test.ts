/** What the engine has synced, by its system calls, when a reply that tells of a change arrives (G3). */
import assert from 'node:assert/strict';
import { mkdirSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { SyncWatch } from '../../lab/syscalls.ts';
import { everyRequest, prepare } from '../../unit/sftp-node/requests.ts';
import { NodeFixture } from './fixture.ts';
import { RawSession, statusCode } from './raw-session.ts';

describe('the disk of the leader', { timeout: 60_000 }, () => {
  let node: NodeFixture;
  before(async () => {
    node = new NodeFixture();
    await node.prepare();
    await node.start();
    await node.openGate(600_000);
  });
  after(() => node.dispose());

  for (const { name, type, fields, synced, mutates } of everyRequest.filter((request) => request.synced)) {
    it(`has what ${name} changed when it is acknowledged`, async () => {
      const home = join(realpathSync(node.filesRoot), 'alice');
      rmSync(home, { recursive: true, force: true });
      mkdirSync(home);
      prepare(home);
      const raw = new RawSession(await node.rawChannel());
      const packet = await fields({ raw });
      assert.equal(mutates, 'durable');
      await using watch = await SyncWatch.on(process.pid, join(node.folder, 'calls'));
      assert.equal(await raw.status(type, packet), statusCode.ok);
      const missing = (synced ?? [])
        .map((file) => `fsync(${join(home, file)})`)
        .filter((call) => !watch.done.includes(call));
      assert.deepEqual(missing, [], watch.done.join('\n'));
      raw.client.destroy();
    });
  }
});
