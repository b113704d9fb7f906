import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Server, Socket } from 'node:net';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { offeredProtocols, spokenVersions } from '../../../../replicator/transport/version.ts';
import { until } from '../../until.ts';
import { Port, tlsOf } from './fixture.ts';

describe('the port for peers', () => {
  it('lets go of who says nothing: the deadline begins when the connection is accepted', async () => {
    using port = await Port.listen({ loginTimeoutMs: 40 });
    const socket = port.connect('127.0.0.2');
    await once(socket.resume(), 'close', { signal: AbortSignal.timeout(5000) });
  });

  it('lets go of who sends the beginning of a handshake, byte by byte', async () => {
    using port = await Port.listen({ loginTimeoutMs: 200 });
    const socket = port.connect('127.0.0.2');
    const hello = [0x16, 0x03, 0x01, 0x40, 0x00, 0x01, 0x00, 0x3f, 0xfc, 0x03, 0x03];
    const dripping = setInterval(() => socket.write(Buffer.from([hello.shift() ?? 0])), 20);
    await once(socket.resume(), 'close', { signal: AbortSignal.timeout(5000) });
    clearInterval(dripping);
  });

  it('lets go of who has shaken hands, is refused and reads nothing', async () => {
    using port = await Port.listen({ loginTimeoutMs: 300 });
    const socket = port
      .connectTls({ ...tlsOf('stranger'), ALPNProtocols: offeredProtocols(spokenVersions) })
      .pause();
    await once(socket, 'secureConnect');
    await until(() => port.log.includes('PEER_REFUSED'));
    await once(socket.resume(), 'close', { signal: AbortSignal.timeout(5000) });
  });

  it('lets a peer in while strangers hold all that they can get', async () => {
    using port = await Port.listen({
      rules: { begin: 6, ratePercent: 100, full: 6, perSource: 3, kept: 2 },
    });
    const sockets = ['127.0.0.2', '127.0.0.3', '127.0.0.4'].flatMap((address) =>
      Array.from({ length: 5 }, () => port.connect(address)),
    );
    await until(() => sockets.filter((socket) => socket.resume().destroyed).length === 9);
    (await port.dial()).hangUp();
    assert.equal(sockets.filter((socket) => !socket.destroyed).length, 6);
  });

  it('keeps no place for who has logged in', async () => {
    using port = await Port.listen({
      rules: { begin: 1, ratePercent: 100, full: 1, perSource: 1, kept: 0 },
    });
    for (let turn = 0; turn < 3; turn++) await port.dial();
    assert.equal(port.channels.length, 3);
  });

  it('frees the place of who failed', async () => {
    using port = await Port.listen({
      rules: { begin: 1, ratePercent: 100, full: 1, perSource: 1, kept: 0 },
    });
    for (const bytes of ['GET / HTTP/1.1\r\n\r\n', 'SSH-2.0-ssh2js1.17.0\r\n']) {
      const socket = port.connect('127.0.0.2');
      socket.write(bytes);
      await once(socket.resume(), 'close');
    }
    await port.dial();
  });

  it('outlives who speaks no TLS from the port of a connection that was reset a moment before', async () => {
    using port = await Port.listen();
    const first = port.connect();
    await once(first, 'connect');
    for (let turn = 0; turn < 20; turn++) await setImmediate();
    const localPort = Number(first.localPort);
    first.resetAndDestroy();
    const second = port.connect('127.0.0.1', localPort);
    second.write(Buffer.concat([Buffer.from([0x16, 0x03, 0x01]), Buffer.alloc(64, 0xff)]));
    await once(second.resume(), 'close');
    await port.dial();
  });

  it('goes on when the kernel has no descriptor for a connection', async (t) => {
    const listened = t.mock.method(Server.prototype, 'listen');
    using port = await Port.listen();
    const server = listened.mock.calls[0]?.this as Server;
    server.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }));
    await once(port.connect(), 'connect');
  });

  it('has the kernel send at once, and ask whether the other side is there, on both sides', async (t) => {
    const set = [
      t.mock.method(Socket.prototype, 'setNoDelay'),
      t.mock.method(Socket.prototype, 'setKeepAlive'),
    ];
    using port = await Port.listen();
    const { localPort } = (await port.dial()).channel as Socket;
    for (const { mock } of set) {
      const tuned = mock.calls
        .filter(({ arguments: [on] }) => on === true)
        .map((call) => call.this as Socket);
      assert.ok(tuned.some((socket) => socket.localPort === localPort));
      assert.ok(tuned.some((socket) => socket.remotePort === localPort));
    }
  });

  it('closes with all that it has', async () => {
    using port = await Port.listen();
    const silent = port.connect('127.0.0.2').resume();
    await once(silent, 'connect');
    const { channel } = await port.dial();
    channel.resume();
    port.close();
    await until(() => silent.destroyed && channel.destroyed);
  });

  it('ends what a peer that is hung up on does not read', async () => {
    using port = await Port.listen();
    const { channel } = await port.dial();
    channel.pause();
    await until(() => port.channels.length === 1);
    const [served] = port.channels;
    served?.channel.write(Buffer.alloc(32 << 20));
    served?.hangUp();
    await until(() => served?.channel.destroyed === true);
  });
});
