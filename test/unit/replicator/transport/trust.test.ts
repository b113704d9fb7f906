import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { dialPeer } from '../../../../replicator/transport/dialer.ts';
import { isKeyOf, proofOf } from '../../../../replicator/transport/peer-trust.ts';
import { tlsOptions } from '../../../../replicator/transport/tls.ts';
import { offeredProtocols, spokenVersions } from '../../../../replicator/transport/version.ts';
import { until } from '../../until.ts';
import { keys, Port, peerOf, tlsOf } from './fixture.ts';

const alpn = { ALPNProtocols: offeredProtocols(spokenVersions) };

describe('who listens', () => {
  it('lets the key in that etcd names', async () => {
    using port = await Port.listen();
    await port.dial();
    assert.deepEqual(
      port.channels.map(({ nodeId }) => nodeId),
      ['there'],
    );
  });

  it('refuses another key, and tells both sides', async () => {
    using port = await Port.listen();
    await assert.rejects(port.dial(tlsOf('stranger', 'there')), {
      code: 'PEER_REFUSED',
      message: /refused this host: the key of this host is not one in etcd/,
    });
    assert.match(port.log, /calls itself \\"there\\" was refused: its key is not one in etcd/);
    assert.equal(port.channels.length, 0);
  });

  it('goes by the key, whatever name the certificate has', async () => {
    using port = await Port.listen();
    port.peers.set('third', peerOf('third', 'stranger'));
    await port.dial(tlsOf('there', 'third'));
    await port.dial(tlsOf('stranger', 'there'));
    assert.deepEqual(
      port.channels.map(({ nodeId }) => nodeId),
      ['there', 'third'],
    );
  });

  it('tells hosts with the same key apart by their names', async () => {
    using port = await Port.listen();
    port.peers.set('copy', peerOf('copy', 'there'));
    for (const name of ['there', 'copy', 'neither']) await port.dial(tlsOf('there', name));
    assert.deepEqual(
      port.channels.map(({ nodeId }) => nodeId),
      ['there', 'copy', 'there'],
    );
  });

  it('does not let in its own key', async () => {
    using port = await Port.listen();
    await assert.rejects(port.dial(tlsOf('here')), { code: 'PEER_REFUSED' });
  });

  it('lets nobody in when etcd has something else than a key', async () => {
    using port = await Port.listen();
    for (const publicKey of ['', 'ssh-ed25519 AAAA', 'nonsense']) {
      port.peers.set('there', { ...peerOf('there'), publicKey });
      await assert.rejects(port.dial(), { code: 'PEER_REFUSED' });
    }
  });

  it('refuses who shows no certificate', async () => {
    using port = await Port.listen();
    const socket = port.connectTls(alpn);
    await once(socket.resume(), 'close');
    await until(() => port.log.includes('PEER_REFUSED'));
    assert.equal(port.channels.length, 0);
  });

  it('refuses what is older than TLS 1.3', async () => {
    using port = await Port.listen();
    const old = port.connectTls({
      ...alpn,
      ...tlsOf('there'),
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.2',
      ciphers: 'DEFAULT',
    });
    const [error] = await once(old, 'error');
    assert.match(error.code, /PROTOCOL_VERSION/);
  });

  it('reads nothing of who is not let in', async () => {
    using port = await Port.listen();
    const socket = port.connectTls({ ...alpn, ...tlsOf('stranger') });
    await once(socket, 'secureConnect');
    socket.write(Buffer.alloc(100_000));
    await once(socket.resume(), 'close');
    assert.equal(port.channels.length, 0);
  });

  it('cuts the connections of a key that etcd does not name any more, and no others', async () => {
    using port = await Port.listen();
    port.peers.set('third', peerOf('third', 'stranger'));
    const { channel } = await port.dial();
    const other = await port.dial(tlsOf('stranger'));
    port.reviewTrust();
    port.peers.set('there', { ...peerOf('there'), address: '127.0.0.9', alive: false });
    port.reviewTrust();
    await delay(50);
    assert.ok(!channel.destroyed);
    port.peers.set('there', peerOf('there', 'here'));
    port.reviewTrust();
    await once(channel.resume(), 'close');
    port.peers.delete('third');
    port.reviewTrust();
    await once(other.channel.resume(), 'close');
    await assert.rejects(port.dial(), { code: 'PEER_REFUSED' });
  });

  it('resumes no session: each connection proves its key anew', async () => {
    using port = await Port.listen();
    const told = once(port.connectTls({ ...alpn, ...tlsOf('there') }).resume(), 'session');
    await until(() => port.channels.length === 1);
    const [session] = await told;
    const second = port.connectTls({ ...alpn, ...tlsOf('there'), session });
    await until(() => port.channels.length === 2);
    assert.equal(second.isSessionReused(), false);
  });
});

describe('a handshake', () => {
  const certificate = new X509Certificate(tlsOf('there').cert);
  const proved = (isReused: boolean, shown: () => unknown) =>
    proofOf({ isSessionReused: () => isReused, getPeerX509Certificate: shown } as TLSSocket);

  it('proves a key, and tells a name', () => {
    const proof = proved(false, () => certificate);
    assert.ok(proof !== null && isKeyOf(peerOf('there'), proof.key));
    assert.equal(proof.name, 'there');
  });

  it('proves nothing when a session is resumed, or the certificate is missing or cannot be read', () => {
    const unreadable = () => {
      throw new Error('unsupported algorithm');
    };
    assert.equal(
      proved(true, () => certificate),
      null,
    );
    assert.equal(
      proved(false, () => undefined),
      null,
    );
    assert.equal(proved(false, unreadable), null);
  });
});

describe('who connects', () => {
  const servers: ReturnType<typeof createServer>[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  /** A server that takes anybody. */
  async function rogue(options: TlsOptions, onSocket: (socket: TLSSocket) => void): Promise<number> {
    const server = createServer(
      { requestCert: true, rejectUnauthorized: false, ...alpn, ...options },
      onSocket,
    );
    servers.push(server);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return (server.address() as AddressInfo).port;
  }

  it('refuses another key than the one in etcd, and says nothing to it', async () => {
    const heard: Buffer[] = [];
    let closed = false;
    const port = await rogue(tlsOf('stranger', 'here'), (socket) => {
      socket.on('data', (chunk) => heard.push(chunk));
      socket.on('error', () => {});
      // Neither does it believe what that one says.
      socket.write(Buffer.from('\0\x13{"type":"accepted"}', 'latin1'));
    });
    servers[0]?.on('connection', (socket) =>
      socket.on('close', () => {
        closed = true;
      }),
    );
    await assert.rejects(dialPeer(peerOf('here', 'here', port), tlsOf('there'), AbortSignal.timeout(5000)), {
      code: 'PEER_REFUSED',
      message: `here at 127.0.0.1 port ${port} shows a key that is not the one in etcd`,
    });
    await until(() => closed);
    assert.deepEqual(heard, []);
  });

  it('takes a listener at its word only when it is one of the words of a greeting', async () => {
    const greetings = ['\0\0', '\xff\xff', '\0\x02{}', '\0\x04nope', '\0\x17{"type":"accepted?"}   '];
    for (const greeting of greetings) {
      const port = await rogue(tlsOf('here'), (socket) => {
        socket.on('error', () => {});
        socket.write(Buffer.from(greeting, 'latin1'));
      });
      await assert.rejects(
        dialPeer(peerOf('here', 'here', port), tlsOf('there'), AbortSignal.timeout(5000)),
        { code: 'PEER_PROTOCOL' },
        JSON.stringify(greeting),
      );
    }
  });

  it('leaves what follows the greeting to who reads the channel', async () => {
    const port = await rogue(tlsOf('here'), (socket) => {
      socket.on('error', () => {});
      const bytes = Buffer.from('\0\x13{"type":"accepted"}then more', 'latin1');
      socket.write(bytes.subarray(0, 1));
      setTimeout(() => socket.write(bytes.subarray(1, 9)), 20);
      setTimeout(() => socket.end(bytes.subarray(9)), 40);
    });
    const { channel, incoming, hangUp } = await dialPeer(
      peerOf('here', 'here', port),
      tlsOf('there'),
      AbortSignal.timeout(5000),
    );
    let text = '';
    incoming.listen((chunk) => {
      text += chunk;
    });
    await once(channel.resume(), 'end');
    assert.equal(text, 'then more');
    hangUp();
  });

  it('gives up on who never says whether it is let in', async () => {
    const port = await rogue(tlsOf('here'), (socket) => void socket.on('error', () => {}));
    await assert.rejects(
      dialPeer(peerOf('here', 'here', port), tlsOf('there'), AbortSignal.timeout(10_000)),
      {
        message: 'no answer within 3000 ms',
      },
    );
  });

  it('stops when it is told to', async () => {
    const port = await rogue(tlsOf('here'), (socket) => void socket.on('error', () => {}));
    const stop = new AbortController();
    const dialing = dialPeer(peerOf('here', 'here', port), tlsOf('there'), stop.signal);
    setTimeout(() => stop.abort(new Error('enough')), 50);
    await assert.rejects(dialing, { message: 'enough' });
    await assert.rejects(dialPeer(peerOf('here', 'here', port), tlsOf('there'), stop.signal), {
      message: 'enough',
    });
  });
});

describe('a clock that is wrong', () => {
  const validities = {
    'has ended': { notBefore: '700101000000Z', notAfter: '20010101000000Z' },
    'has not begun': { notBefore: '490101000000Z', notAfter: '99991231235959Z' },
    'ends before it begins': { notBefore: '490101000000Z', notAfter: '20010101000000Z' },
  };
  for (const [name, validity] of Object.entries(validities)) {
    it(`keeps nobody out: a certificate that ${name} carries the key all the same`, async () => {
      using port = await Port.listen({ tls: tlsOptions(keys.here, 'here', validity) });
      await port.dial(tlsOptions(keys.there, 'there', validity));
      assert.equal(port.channels.length, 1);
    });
  }
});
