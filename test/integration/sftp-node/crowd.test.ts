/** Many who connect and say nothing; clients that answer nothing; and a process that stood still. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import type ssh2 from 'ssh2';
import { waitFor } from '../../lab/wait.ts';
import { NodeFixture } from './fixture.ts';
import { packetType, RawSession, statusCode } from './raw-session.ts';

/** What ssh2's client has inside: its answer to a ping of the server. */
interface Wire {
  requestFailure(): void;
}

describe('a crowd at the door', { timeout: 60_000 }, () => {
  let node: NodeFixture;
  const sockets: Socket[] = [];
  beforeEach(async () => {
    node = new NodeFixture();
    await node.prepare();
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await node.dispose();
  });

  const isHeld = (socket: Socket) => !socket.destroyed && socket.readyState === 'open';

  /** Connections that say nothing. Resolves when each is held or was dropped. */
  async function silent(count: number, localAddress: string): Promise<void> {
    const settled = Array.from({ length: count }, () => {
      const socket = connect({ port: node.port, host: '127.0.0.1', localAddress });
      sockets.push(socket);
      socket.on('error', () => {});
      return new Promise<void>((resolve) => {
        socket.once('data', () => resolve()).once('close', () => resolve());
      });
    });
    await Promise.all(settled);
  }

  const held = () => sockets.filter(isHeld).length;

  async function pong(id: number) {
    await node.send({ type: 'ping', id });
    return waitFor('the answer', () =>
      node.messages.find((message) => message.type === 'pong' && message.id === id),
    );
  }

  const from = (address: string) => ({ options: ['-o', `BindAddress=${address}`] });

  it('of one source takes no places of others', async () => {
    await node.start();
    await node.openGate(60_000);
    await silent(260, '127.0.0.2');
    assert.equal(held(), 10);
    assert.notEqual((await node.sftp('pwd\n', from('127.0.0.2'))).exitCode, 0);
    assert.equal((await node.sftp('pwd\n', from('127.0.0.3'))).exitCode, 0);
    assert.deepEqual(await pong(1), { type: 'pong', id: 1, listening: true, accepting: true });
    await waitFor('the count', () =>
      node.messages.some((message) => message.type === 'activity' && message.dropped >= 250),
    );
  });

  it('of many sources leaves places for who logged in lately, and for this host', async () => {
    await node.start({
      settings: { startups: { begin: 20, ratePercent: 100, full: 20, perSource: 10, kept: 4 } },
    });
    await node.openGate(60_000);
    assert.equal((await node.sftp('pwd\n', from('127.0.0.9'))).exitCode, 0);
    for (const address of ['127.0.0.2', '127.0.0.3', '127.0.0.4']) await silent(20, address);
    assert.equal(held(), 20);
    assert.notEqual((await node.sftp('pwd\n', from('127.0.0.5'))).exitCode, 0);
    assert.equal((await node.sftp('pwd\n', from('127.0.0.9'))).exitCode, 0);
    assert.equal((await node.sftp('pwd\n', from('127.0.0.1'))).exitCode, 0);
  });

  it('gives its places back when it goes', async () => {
    await node.start();
    await node.openGate(60_000);
    await silent(20, '127.0.0.2');
    for (const socket of sockets.splice(0)) socket.destroy();
    await waitFor(
      'a login from there',
      async () => (await node.sftp('pwd\n', from('127.0.0.2'))).exitCode === 0,
    );
  });

  it('is told apart from a process that is stopped: that one answers nothing', async () => {
    await node.start();
    await pong(1);
    process.kill(node.pid, 'SIGSTOP');
    await node.send({ type: 'ping', id: 2 });
    await delay(300);
    assert.ok(!node.messages.some((message) => message.type === 'pong' && message.id === 2));
    process.kill(node.pid, 'SIGCONT');
    await pong(3);
  });
});

describe('a client that answers nothing outside a call', { timeout: 60_000 }, () => {
  let node: NodeFixture;
  beforeEach(async () => {
    node = new NodeFixture();
    await node.prepare();
  });
  afterEach(() => node.dispose());

  /** Logged in, and deaf to pings. */
  async function deafSession(): Promise<RawSession> {
    const opened = await node.rawChannel();
    (opened.client as unknown as { _protocol: Wire })._protocol.requestFailure = () => {};
    return new RawSession(opened);
  }

  const outcome = (session: RawSession, withinMs: number) =>
    Promise.race([session.closed.then(() => 'cut'), delay(withinMs, 'connected')]);

  it('is left alone', async () => {
    await node.start();
    await node.openGate(60_000);
    const session = await deafSession();
    assert.equal(await outcome(session, 1500), 'connected');
    assert.equal(await session.mkdir('/still-here'), statusCode.ok);
    session.client.destroy();
  });

  it('is cut where pings are wanted, as by ClientAliveInterval and ClientAliveCountMax', async () => {
    await node.start({ settings: { clientAliveIntervalMs: 100, clientAliveCountMax: 2 } });
    await node.openGate(60_000);
    assert.equal(await outcome(await deafSession(), 5000), 'cut');
  });

  it('is asked by the kernel whether its host is there', async () => {
    await node.start();
    const client: ssh2.Client = await node.connected('handshake');
    const { stdout } = await execa('ss', ['-Htno', 'state', 'established', `( sport = :${node.port} )`]);
    assert.match(stdout, /timer:\(keepalive/);
    client.destroy();
  });
});

describe('an SFTP node that stood still beyond the end of its permit', { timeout: 60_000 }, () => {
  let node: NodeFixture;
  let session: RawSession;
  beforeEach(async () => {
    node = new NodeFixture();
    await node.prepare();
    await node.start();
    await node.openGate(1500);
    session = new RawSession(await node.rawChannel());
    assert.equal(await session.mkdir('/before'), statusCode.ok);
  });
  afterEach(async () => {
    session.client.destroy();
    await node.dispose();
  });

  it('keeps its clients when permits came meanwhile, and tells how late it was', async () => {
    await node.openGate(1500);
    process.kill(node.pid, 'SIGSTOP');
    const late = session.mkdir('/asked-meanwhile');
    for (let passed = 0; passed < 3500; passed += 500) {
      await delay(500);
      await node.openGate(1500);
    }
    process.kill(node.pid, 'SIGCONT');
    assert.equal(await late, statusCode.ok);
    await node.openGate(60_000);
    assert.equal(await session.mkdir('/after'), statusCode.ok);
    const told = await waitFor('its lateness', () => node.messages.find(({ type }) => type === 'late'));
    assert.ok(told.type === 'late' && told.byMs > 3000, JSON.stringify(told));
  });

  it('lets them go when none came, and answers none of what they asked meanwhile', async () => {
    process.kill(node.pid, 'SIGSTOP');
    let answered = false;
    void session.paths(packetType.stat, '/before').then(() => {
      answered = true;
    });
    await delay(2500);
    process.kill(node.pid, 'SIGCONT');
    await session.closed;
    assert.equal(answered, false);
  });
});
