/** Clients that mean harm, with and without a login: the process lives, and the others go on (G7). */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type ssh2 from 'ssh2';
import { FieldWriter } from '../../../sftp-node/sftp/fields.ts';
import { openFlag, packetType } from '../../../sftp-node/sftp/protocol.ts';
import { waitFor } from '../../lab/wait.ts';
import { Dice } from './dice.ts';
import { NodeFixture } from './fixture.ts';

/** What ssh2's client has inside: to send what its public methods would not. */
interface Wire {
  subsystem(channel: number, name: string, wantReply: boolean): void;
  channelData(channel: number, data: Buffer): void;
  channelClose(channel: number): void;
}

const wireOf = (client: ssh2.Client) => (client as unknown as { _protocol: Wire })._protocol;
const idOf = (channel: ssh2.ClientChannel) =>
  (channel as unknown as { outgoing: { id: number } }).outgoing.id;

/** One SSH message, encrypted like any other. */
function sendPayload(client: ssh2.Client, payload: Buffer): void {
  const { _packetRW: packets, _cipher: cipher } = (
    client as unknown as {
      _protocol: {
        _packetRW: {
          write: { allocStart: number; alloc(bytes: number): Buffer; finalize(packet: Buffer): Buffer };
        };
        _cipher: { encrypt(packet: Buffer): void };
      };
    }
  )._protocol;
  const packet = packets.write.alloc(payload.length);
  packet.set(payload, packets.write.allocStart);
  cipher.encrypt(packets.write.finalize(packet));
}

const sshWords = [
  'session',
  'sftp',
  'subsystem',
  'exec',
  'env',
  'pty-req',
  'x11-req',
  'window-change',
  'signal',
  'exit-status',
  'direct-tcpip',
  'forwarded-tcpip',
  'tcpip-forward',
  'streamlocal-forward@openssh.com',
  'direct-streamlocal@openssh.com',
  'keepalive@openssh.com',
  'hostkeys-00@openssh.com',
  'no-more-sessions@openssh.com',
  'auth-agent-req@openssh.com',
  'ssh-connection',
  'ssh-userauth',
  'alice',
  'none',
  'password',
  'publickey',
  'keyboard-interactive',
  'hostbased',
];

/** A message that is well-formed in part: a type of the protocol, and fields that mostly fit it. */
function strangePayload(dice: Dice): Buffer {
  const types = [
    1, 2, 3, 4, 5, 6, 20, 21, 30, 31, 50, 60, 61, 80, 81, 82, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100,
  ];
  const fields = new FieldWriter();
  for (let count = dice.below(6); count > 0; count--) {
    if (dice.below(2) === 0) fields.text(dice.one(sshWords));
    else if (dice.below(3) > 0) fields.u32(dice.below(4) === 0 ? 0xffff_ffff : dice.below(3));
    else fields.raw(randomBytes(dice.below(20)));
  }
  return Buffer.concat([Buffer.from([dice.one(types)]), fields.packet(0).subarray(5)]);
}

const init = new FieldWriter().u32(3).packet(packetType.init);

describe('hostile clients', { timeout: 180_000 }, () => {
  let node: NodeFixture;
  const clients: ssh2.Client[] = [];
  before(async () => {
    node = new NodeFixture();
    await node.prepare();
    await node.start();
    await node.openGate(600_000);
    assert.equal((await node.sftp('pwd\n')).exitCode, 0);
    writeFileSync(join(node.filesRoot, 'alice/big'), Buffer.alloc(8 << 20, 'x'));
  });
  after(() => node.dispose());
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    assert.equal((await node.sftp('ls big\n')).exitCode, 0, 'the service is gone');
  });

  async function session() {
    const opened = await node.rawChannel();
    clients.push(opened.client);
    opened.channel.on('error', () => {});
    return opened;
  }

  const descriptors = () => node.descriptors().length;
  const residentMiB = () =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${node.pid}/status`, 'utf8'))?.[1]) / 1024;

  it('may ask for the subsystem twice on one channel', async () => {
    const { client, channel } = await session();
    channel.resume();
    for (const wantReply of [true, false]) {
      wireOf(client).subsystem(idOf(channel), 'sftp', wantReply);
      wireOf(client).subsystem(idOf(channel), 'other', wantReply);
    }
    await delay(200);
  });

  it('may close a session as often as they like, and get no more sessions by it', async () => {
    const { client, channel } = await session();
    for (let turn = 0; turn < 30; turn++) wireOf(client).channelClose(idOf(channel));
    const opened: ssh2.ClientChannel[] = [];
    for (let turn = 0; turn < 12; turn++) {
      await new Promise<void>((resolve) =>
        client.subsys('sftp', (error, more) => {
          if (error === undefined) opened.push(more);
          resolve();
        }),
      );
    }
    assert.ok(opened.length <= 10, `${opened.length} sessions`);
  });

  it('do not fill the memory by sending beyond their window while they are made to wait', async () => {
    const { client, channel } = await session();
    channel.write(init);
    // The engine waits for its gate, and what is read waits for the change before it.
    node.engine.gate.mayChange = false;
    const mkdir = new FieldWriter().u32(1).text('/held').u32(0).packet(packetType.mkdir);
    wireOf(client).channelData(idOf(channel), mkdir);
    const before = residentMiB();
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
    const stat = new FieldWriter().u32(2).text('/'.repeat(4000)).packet(packetType.stat);
    const flood = Buffer.concat(Array.from({ length: 7 }, () => stat));
    for (let sent = 0; sent < 64 << 20; sent += flood.length) {
      wireOf(client).channelData(idOf(channel), flood);
      if (sent % (flood.length * 64) === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await closed;
    node.engine.gate.mayChange = true;
    assert.ok(residentMiB() - before < 48, `${before} MiB grew to ${residentMiB()} MiB`);
  });

  it('do not fill the memory by asking for data that they do not take', async () => {
    const { client, channel } = await session();
    channel.write(init);
    const open = new FieldWriter().u32(1).text('/big').u32(openFlag.read).u32(0).packet(packetType.open);
    channel.write(open);
    channel.resume();
    await delay(200);
    // From now on nothing is read from the socket, with a window that has room for everything.
    const { _sock: socket } = client as unknown as { _sock: import('node:net').Socket };
    (
      client as unknown as { _protocol: { channelWindowAdjust(id: number, by: number): void } }
    )._protocol.channelWindowAdjust(idOf(channel), 0x7000_0000);
    socket.pause();
    const before = residentMiB();
    const read = new FieldWriter()
      .u32(2)
      .bytes(Buffer.from([0, 0, 0, 1]))
      .u64(0)
      .u32(261_120)
      .packet(packetType.read);
    for (let sent = 0; sent < 2000; sent++) channel.write(read);
    await delay(1500);
    assert.ok(residentMiB() - before < 80, `${before} MiB grew to ${residentMiB()} MiB`);
  });

  it('may send what no client sends, logged in or not', async (context) => {
    const seed = Number(process.env.SEED ?? randomBytes(4).readUInt32BE());
    context.diagnostic(`SEED=${seed}`);
    const dice = new Dice(seed);
    for (let turn = 0; turn < 120; turn++) {
      const loggedIn = dice.below(3) > 0;
      const client = await node.connected(loggedIn ? 'ready' : 'handshake');
      clients.push(client);
      for (let count = 0; count < 4; count++) sendPayload(client, strangePayload(dice));
      await new Promise((resolve) => setImmediate(resolve));
      if (turn % 10 === 9) {
        await delay(20);
        for (const done of clients.splice(0)) done.destroy();
      }
    }
  });

  it('leave nothing open when they break off a download', async () => {
    const before = descriptors();
    for (let turn = 0; turn < 3; turn++) {
      const { client, channel } = await session();
      channel.write(init);
      channel.write(new FieldWriter().u32(1).text('/big').u32(openFlag.read).u32(0).packet(packetType.open));
      channel.pause();
      const read = new FieldWriter()
        .u32(2)
        .bytes(Buffer.from([0, 0, 0, 1]))
        .u64(0)
        .u32(261_120)
        .packet(packetType.read);
      for (let sent = 0; sent < 100; sent++) channel.write(read);
      await delay(300);
      client.destroy();
    }
    await waitFor('the descriptors to be closed', () => descriptors() <= before, { limitMs: 5000 });
  });
});
