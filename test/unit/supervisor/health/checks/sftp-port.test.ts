import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import { listenersIn, sftpPortFact } from '../../../../../supervisor/health/checks/sftp-port.ts';

const header =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';

describe('the port of the SFTP service', () => {
  it('is looked up among those that listen, in the tables of the kernel', () => {
    const table = `${header}
   0: 0100007F:08AE 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
   2: 0B000A0A:08AE 0100000A:C001 06 00000000:00000000 00:00000000 00000000     0        0 3 1 0 100 0 0 10 0
`;
    assert.deepEqual(listenersIn(table, 2222), ['127.0.0.1'], 'a connection in TIME_WAIT is in nobody’s way');
    assert.deepEqual(listenersIn(table, 22), ['0.0.0.0']);
    const table6 = `${header}
   0: 00000000000000000000000000000000:08AE 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 1 1 0
   1: 000077FD000000000000000011000000:08AE 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 1 1 0
   2: 0000000000000000FFFF00000100007F:08AE 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 1 1 0
`;
    assert.deepEqual(listenersIn(table6, 2222), ['::', 'fd77::11', '127.0.0.1']);
  });

  it('is free, or had by another program, without anybody being disturbed', async (context) => {
    const server = createServer().listen(0, '127.0.0.1');
    context.after(() => server.close());
    await once(server, 'listening');
    let connections = 0;
    server.on('connection', () => {
      connections += 1;
    });
    const { port } = server.address() as { port: number };
    const codes = () =>
      Promise.all(
        ['::', '0.0.0.0', '127.0.0.1', '127.0.0.2', '::1'].map(
          async (at) => (await sftpPortFact(at, port)).code,
        ),
      );
    assert.deepEqual(await codes(), ['PORT_IN_USE', 'PORT_IN_USE', 'PORT_IN_USE', '', '']);
    assert.equal(connections, 0);
    server.close();
    await once(server, 'close');
    assert.deepEqual(await codes(), ['', '', '', '', '']);
  });

  it('is in nobody’s way who listens by the other protocol', async (context) => {
    const server = createServer().listen(0, '0.0.0.0');
    context.after(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    assert.equal((await sftpPortFact('127.0.0.1', port)).code, 'PORT_IN_USE');
    assert.equal((await sftpPortFact('::1', port)).code, '');
  });

  it('is in the way on all addresses when the other listens on all', async (context) => {
    const server = createServer().listen(0, '::');
    context.after(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    for (const at of ['::', '0.0.0.0', '127.0.0.2', '::1']) {
      assert.equal((await sftpPortFact(at, port)).code, 'PORT_IN_USE', at);
    }
  });
});
