import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connectToGateway, revokeThroughGateway } from '../../../../../supervisor/adapters/etcd/gateway.ts';

describe('revoking a lease through the HTTP gateway of etcd', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });

  /** A member that answers with this status and body; null for one that never answers. */
  async function member(answer: [status: number, body: object] | null) {
    const asked: string[] = [];
    const server = createServer(async (request, response) => {
      asked.push(`${request.method} ${request.url} ${await text(request)}`);
      if (answer !== null) response.writeHead(answer[0]).end(JSON.stringify(answer[1]));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  }

  const closedPort = 'http://127.0.0.1:1';

  it('asks for the lease by its number as text: it does not fit into a JavaScript number', async () => {
    const { asked, url } = await member([200, { header: {} }]);
    await revokeThroughGateway({ endpoints: [url] }, '7587899106855087176');
    assert.deepEqual(asked, ['POST /v3/lease/revoke {"ID":"7587899106855087176"}']);
  });

  it('connects ahead, and asks for nothing until it is told to', async () => {
    const { asked, url } = await member([200, {}]);
    const [server = assert.fail()] = servers;
    const connected = new Promise((resolve) => server.once('connection', resolve));
    const gateway = connectToGateway({ endpoints: [closedPort, url] });
    await connected;
    // Time enough for the port that is closed to be found so while nobody listens.
    await delay(50);
    assert.deepEqual(asked, []);
    await gateway.revoke('7');
    assert.deepEqual(asked, ['POST /v3/lease/revoke {"ID":"7"}']);
  });

  it('takes a lease that is gone for revoked', async () => {
    const { url } = await member([404, { error: 'etcdserver: requested lease not found', code: 5 }]);
    await revokeThroughGateway({ endpoints: [url] }, '1');
  });

  it('is content with one member of several', async () => {
    const silent = await member(null);
    const broken = await member([503, {}]);
    const good = await member([200, {}]);
    await revokeThroughGateway({ endpoints: [closedPort, silent.url, broken.url, good.url] }, '1');
  });

  it('fails when no member did it, or there is no gateway', async () => {
    const broken = await member([503, {}]);
    const other = await member([404, { message: 'page not found' }]);
    await assert.rejects(
      revokeThroughGateway({ endpoints: [closedPort, broken.url, other.url] }, '1'),
      AggregateError,
    );
  });
});
