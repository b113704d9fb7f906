import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, Server, type Socket } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import pino from 'pino';
import { newKey } from '../../../../replicator/state/new-key.ts';
import { dialPeer } from '../../../../replicator/transport/dialer.ts';
import {
  type ListenerOptions,
  listenForPeers,
  type PeerListener,
} from '../../../../replicator/transport/listener.ts';

const keys = { here: newKey('ed25519', 'here'), there: newKey('ed25519', 'there') };
const peer = (nodeId: 'here' | 'there', port: number) => ({
  nodeId,
  address: '127.0.0.1',
  port,
  publicKey: keys[nodeId].publicKey,
  alive: true,
});

describe('the port for peers', () => {
  let listener: PeerListener;
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    listener.close();
  });

  async function listen(options: Partial<ListenerOptions>): Promise<void> {
    listener = await listenForPeers({
      address: '127.0.0.1',
      port: 0,
      key: keys.here,
      log: pino({ level: 'silent' }),
      peer: (nodeId) => (nodeId === 'there' ? peer('there', 0) : undefined),
      isPeerAddress: (address) => address === '127.0.0.1',
      onChannel: () => {},
      ...options,
    });
  }

  /** Connects from an address of loopback and says nothing. */
  function silent(localAddress: string): Socket {
    const socket = connect({ port: listener.port, host: '127.0.0.1', localAddress });
    socket.on('error', () => {});
    sockets.push(socket);
    return socket;
  }

  it('lets go of who says nothing: the deadline begins when the connection is accepted', async () => {
    await listen({ loginTimeoutMs: 40 });
    const socket = silent('127.0.0.2');
    await once(socket.resume(), 'close', { signal: AbortSignal.timeout(5000) });
  });

  it('lets a peer in while strangers hold all that they can get', async () => {
    await listen({ rules: { begin: 6, ratePercent: 100, full: 6, perSource: 3, kept: 2 } });
    for (const address of ['127.0.0.2', '127.0.0.3', '127.0.0.4']) {
      const last = Array.from({ length: 5 }, () => silent(address)).at(-1);
      await new Promise((resolve) => last?.resume().once('close', resolve));
    }
    const held = sockets.filter((socket) => !socket.destroyed);
    assert.equal(held.length, 6);
    const { hangUp } = await dialPeer(
      peer('here', listener.port),
      'there',
      keys.there,
      AbortSignal.timeout(5000),
    );
    hangUp();
  });

  it('outlives who speaks no SSH from the port of a connection that was reset a moment before', async () => {
    await listen({});
    const first = connect(listener.port, '127.0.0.1');
    await once(first, 'connect');
    for (let turn = 0; turn < 20; turn++) await setImmediate();
    const localPort = Number(first.localPort);
    first.resetAndDestroy();
    const second = connect({ port: listener.port, host: '127.0.0.1', localPort });
    second.write(Buffer.concat([Buffer.from('SSH-2.0-second\r\n'), Buffer.alloc(64, 0xff)]));
    await once(second.resume(), 'close');
  });

  it('goes on when the kernel has no descriptor for a connection', async (t) => {
    const listened = t.mock.method(Server.prototype, 'listen');
    await listen({});
    const server = listened.mock.calls[0]?.this as Server;
    server.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }));
    await once(silent('127.0.0.1'), 'connect');
  });

  it('keeps no place for who has logged in', async () => {
    await listen({ rules: { begin: 1, ratePercent: 100, full: 1, perSource: 1, kept: 0 } });
    for (let turn = 0; turn < 3; turn++) {
      await dialPeer(peer('here', listener.port), 'there', keys.there, AbortSignal.timeout(5000));
    }
  });
});
