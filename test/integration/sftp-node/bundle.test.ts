/** What is installed is the bundle: a missing addon would leave it working, several times slower. */
import assert from 'node:assert/strict';
import { cpSync, globSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { bundle, NodeFixture } from './fixture.ts';

describe('the bundle of the SFTP node', { timeout: 60_000 }, () => {
  let node: NodeFixture;
  before(async () => {
    node = new NodeFixture();
    await node.prepare();
  });
  after(() => node.dispose());

  const loadsAddon = () => /sshcrypto.*\.node$/m.test(readFileSync(`/proc/${node.pid}/maps`, 'utf8'));

  it("runs with ssh2's native crypto addon in its memory", async () => {
    assert.equal((await node.start({ program: bundle })).type, 'listening', 'run npm run build');
    await node.openGate(600_000);
    assert.equal((await node.sftp('pwd\n')).exitCode, 0);
    assert.equal(loadsAddon(), true);
  });

  it('would be caught without it', async () => {
    await node.halt();
    const copy = join(dirname(dirname(bundle)), 'node_modules/.cache/holdfast-bundle-without-addon');
    cpSync(dirname(bundle), copy, { recursive: true });
    try {
      for (const addon of globSync(join(copy, '*.node'))) rmSync(addon);
      await node.start({ program: join(copy, 'sftp-node.js') });
      assert.equal(loadsAddon(), false);
    } finally {
      rmSync(copy, { recursive: true });
    }
  });
});
