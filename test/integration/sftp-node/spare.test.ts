/** A process that gets ready before it is given a leadership. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { NodeFixture } from './fixture.ts';

describe('a spare', { timeout: 60_000 }, () => {
  let node: NodeFixture;
  let port: number;
  const clients: Socket[] = [];
  beforeEach(async () => {
    node = new NodeFixture();
    await node.prepare();
    port = await freePort();
    await node.rehearse(port);
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await node.dispose();
  });

  async function client(): Promise<Socket> {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    clients.push(socket);
    await once(socket, 'connect');
    return socket;
  }

  it('says nothing to who connects, and serves them once it leads', async () => {
    const early = await client();
    let said = '';
    early.on('data', (data) => (said += data));
    await delay(200);
    assert.equal(said, '');
    await node.start({ port });
    while (said === '') await once(early, 'data');
    assert.match(said, /^SSH-2\.0-/);
  });

  it('lets go of who waited for too long', async () => {
    const early = await client();
    await once(early, 'close');
  });

  it('serves the users that it read ahead', async () => {
    await node.start({ port });
    await node.openGate(60_000);
    assert.equal((await node.sftp('ls\n')).exitCode, 0);
  });

  it('goes by users.yaml as it is when it begins to serve', async () => {
    const users = readFileSync(join(node.configRoot, 'users.yaml'), 'utf8');
    node.writeUsers(users.replace('name: alice', 'name: carol'));
    await node.start({ port });
    await node.openGate(60_000);
    assert.equal((await node.sftp('ls\n', { user: 'carol' })).exitCode, 0);
    assert.notEqual((await node.sftp('ls\n', { user: 'alice' })).exitCode, 0);
  });

  it('tells at the start what was wrong already when it got ready', async () => {
    await node.halt();
    chmodSync(join(node.configRoot, 'host_keys/ssh_host_ed25519_key'), 0o644);
    await node.rehearse(port);
    const first = await node.start({ port });
    assert.ok(first.type === 'failed' && first.code === 'HOST_KEY_PERMISSIONS');
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
