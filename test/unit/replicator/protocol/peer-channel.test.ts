import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { FrameDecoder } from '#contracts/frames.ts';
import { encodeAlive, encodeControl } from '../../../../replicator/protocol/codec.ts';
import { toLeaderSchema } from '../../../../replicator/protocol/message.ts';
import { PeerChannel } from '../../../../replicator/protocol/peer-channel.ts';
import { until } from '../../until.ts';

describe('a channel between peers', () => {
  let near: Socket;
  let far: Socket;
  let nowMs = 0;
  let channel: PeerChannel<typeof toLeaderSchema, { type: string }>;
  const received: { type: string }[] = [];

  beforeEach(async () => {
    nowMs = 0;
    received.length = 0;
    mock.timers.enable({ apis: ['setInterval'] });
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    far = connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1');
    far.on('error', () => {});
    [near] = await once(server, 'connection');
    server.close();
    channel = new PeerChannel(near, toLeaderSchema, () => nowMs);
  });
  afterEach(() => {
    channel.close('the test is over');
    near.destroy();
    far.destroy();
    mock.timers.reset();
  });

  const listen = () => channel.receive((message) => void received.push(message));
  const reasonOf = () => (channel.closed.reason as Error | undefined)?.message;

  async function pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 250) {
      nowMs += 250;
      mock.timers.tick(250);
      await delay(1);
    }
  }

  it('says that it lives, by frames that are no messages', async () => {
    const types: number[] = [];
    const decoder = new FrameDecoder();
    far.on('data', (chunk: Buffer) => {
      for (const { type, body } of decoder.push(chunk)) types.push(type + body.length);
    });
    await pass(3000);
    await until(() => types.length === 3);
    assert.deepEqual(types, [130, 130, 130]);
    listen();
    far.write(Buffer.concat([...encodeAlive(), ...encodeControl({ type: 'scrub-repaired' })]));
    await until(() => received.length > 0);
    assert.deepEqual(received, [{ type: 'scrub-repaired' }]);
  });

  it('closes when the other side is silent', async () => {
    listen();
    await pass(4000);
    assert.match(String(reasonOf()), /the peer has been silent for 3\d{3} ms/);
  });

  it('stays open while the other side says that it lives', async () => {
    listen();
    for (let turn = 0; turn < 4; turn++) {
      far.write(Buffer.concat(encodeAlive()));
      await pass(3000);
    }
    assert.equal(reasonOf(), undefined);
    assert.deepEqual(received, []);
  });

  it('stays open while a frame arrives, however slowly', async () => {
    listen();
    for (const byte of Buffer.concat(encodeControl({ type: 'scrub-repaired' })).subarray(0, 8)) {
      far.write(Buffer.from([byte]));
      await pass(3000);
    }
    assert.equal(reasonOf(), undefined);
  });

  it('judges nobody while it does not read', async () => {
    listen();
    channel.pause();
    await pass(60_000);
    channel.resume();
    await pass(3000);
    assert.equal(reasonOf(), undefined);
    await pass(1000);
    assert.match(String(reasonOf()), /silent/);
  });

  it('adds no signs of life to what the other side does not take', async () => {
    far.pause();
    channel.sendParts([Buffer.alloc(32 << 20)]);
    await delay(50);
    const before = near.writableLength;
    assert.ok(before > 0);
    await pass(20_000);
    assert.ok(near.writableLength <= before);
  });

  it('is done with once it is closed', async () => {
    channel.close('enough');
    await pass(60_000);
    assert.equal(reasonOf(), 'enough');
  });

  it('refuses a sign of life that says something', async () => {
    listen();
    far.write(Buffer.from([0, 0, 0, 2, 130, 1]));
    await until(() => channel.closed.aborted);
    assert.equal(reasonOf(), 'a sign of life with a body');
  });
});
