import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { BannerWatch } from '../../../../supervisor/cli/banner-watch.ts';

async function serve(port = 0): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {}).end('SSH-2.0-test\r\n');
  }).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

describe('the outage as this host sees it', () => {
  it('is the longest silence between two answers', async () => {
    const first = await serve();
    const port = portOf(first);
    const watch = new BannerWatch('127.0.0.1', port);
    watch.start();
    await delay(300);
    first.close();
    await delay(200);
    const second = await serve(port);
    const outageMs = await watch.end(5000);
    second.close();
    assert.ok(outageMs !== null && outageMs >= 150, `${outageMs} ms`);
  });

  it('is not told of one that began earlier', async () => {
    const closed = await serve();
    const port = portOf(closed);
    closed.close();
    await once(closed, 'close');
    const watch = new BannerWatch('127.0.0.1', port);
    watch.start();
    await delay(1200);
    const server = await serve(port);
    assert.equal(await watch.end(5000), null);
    server.close();
  });
});
