import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import ssh2 from 'ssh2';
import { dialPeer } from '../../../../replicator/transport/dialer.ts';
import {
  offeredProtocols,
  selectedVersion,
  selectProtocol,
  spokenVersions,
} from '../../../../replicator/transport/version.ts';
import { until } from '../../until.ts';
import { keys, Port, peerOf, tlsOf } from './fixture.ts';

describe('the version of the protocol', () => {
  it('is the highest that both speak, in whatever order they say it', () => {
    const select = (ours: number[], theirs: number[]) =>
      selectedVersion(selectProtocol(ours, offeredProtocols(theirs)) ?? null);
    assert.equal(select([2], [2]), 2);
    assert.equal(select([3, 2], [4, 3]), 3);
    assert.equal(select([2, 3], [2, 3]), 3);
    assert.equal(select([9, 10], [10, 9]), 10);
    assert.equal(select([3], [2, 1]), '2, 1');
  });

  it('is none of another program', () => {
    assert.equal(selectProtocol([2], ['h2', 'http/1.1', 'holdfast-replication/x']), undefined);
    assert.equal(selectedVersion(false), 'unknown');
    assert.equal(selectedVersion('holdfast-replication speaks 9,\n{}'), '9, ???');
  });

  it('the one that this release speaks is accepted', async () => {
    using port = await Port.listen();
    const { channel } = await port.dial();
    assert.equal(
      selectedVersion((channel as { alpnProtocol?: string }).alpnProtocol ?? null),
      spokenVersions[0],
    );
  });

  it('none in common: both sides know what both speak', async () => {
    using port = await Port.listen({ versions: [5, 4] });
    await assert.rejects(port.dial(tlsOf('there'), 'here', [3, 2]), {
      code: 'PEER_PROTOCOL',
      message: /refused this host: it speaks the replication protocol in version 5, 4, this host in 3, 2/,
    });
    await until(() => port.log.includes('PEER_PROTOCOL'));
    assert.match(port.log, /there was refused: it speaks .* in version 3, 2, this host in 5, 4/);
    assert.equal(port.channels.length, 0);
  });

  it('is told to nobody whose key is another', async () => {
    using port = await Port.listen({ versions: [5] });
    await assert.rejects(port.dial(tlsOf('stranger'), 'here', [2]), { code: 'PEER_REFUSED' });
  });

  it('who offers none that is ours gets no connection', async () => {
    for (const options of [{ ALPNProtocols: ['h2'] }, {}]) {
      using port = await Port.listen();
      const socket = port.connectTls({ ...tlsOf('there'), ...options });
      await until(() => socket.resume().destroyed);
      assert.equal(port.channels.length, 0);
      await until(() => port.log.includes('PEER_PROTOCOL'));
    }
  });
});

describe('a release that replicates over SSH', () => {
  it('is told of when it connects', async () => {
    using port = await Port.listen();
    const client = new ssh2.Client();
    const failed = once(client, 'error');
    client.connect({
      host: '127.0.0.1',
      port: port.number,
      username: 'there',
      privateKey: keys.there.privateKey,
    });
    const [error] = await failed;
    assert.ok(error instanceof Error);
    await until(() => port.log.includes('PEER_PROTOCOL'));
    assert.match(
      port.log,
      /who connects from 127.0.0.1, where a peer is, does not speak the replication protocol/,
    );
  });

  it('is told of when it is connected to', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.write('SSH-2.0-ssh2js1.17.0srv\r\n');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await assert.rejects(dialPeer(peerOf('here', 'here', port), tlsOf('there'), AbortSignal.timeout(5000)), {
      code: 'PEER_PROTOCOL',
      message: /here at 127.0.0.1 port \d+ does not speak the replication protocol .*: wrong version number$/,
    });
    server.close();
  });
});
