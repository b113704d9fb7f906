import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { watchStalledWrites } from '../../../sftp-node/transport/dead-peers.ts';

describe('writes that stall', () => {
  let client: Socket;
  let served: Socket;
  let stalls = 0;
  beforeEach(async () => {
    stalls = 0;
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    client = connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1');
    [served] = await once(server, 'connection');
    server.close();
  });
  afterEach(() => {
    client.destroy();
    served.destroy();
  });

  const watch = (limitMs: number) =>
    watchStalledWrites(served, limitMs, () => {
      stalls += 1;
    });

  it('are told of when the peer takes nothing for the limit', async () => {
    watch(60);
    client.pause();
    served.write(Buffer.alloc(16 << 20));
    await delay(200);
    assert.ok(stalls > 0);
  });

  it('are none while it takes something now and then', async () => {
    watch(1_000);
    client.pause();
    served.write(Buffer.alloc(64 << 20));
    for (let turn = 0; turn < 8; turn++) {
      await delay(250);
      client.resume();
      await once(client, 'data');
      await delay(5);
      client.pause();
    }
    assert.ok(served.writableLength > 0);
    assert.equal(stalls, 0);
  });

  it('are none while nothing is on the way, however long', async () => {
    watch(60);
    client.resume();
    served.write('x');
    await delay(200);
    assert.equal(stalls, 0);
  });
});
