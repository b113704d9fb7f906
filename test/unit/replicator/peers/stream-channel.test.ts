import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import type { Frame } from '#contracts/frames.ts';
import { encodeToFollower, encodeToLeader } from '../../../../replicator/peers/codec.ts';
import { limits } from '../../../../replicator/peers/limits.ts';
import { StreamChannel } from '../../../../replicator/peers/stream-channel.ts';
import { Incoming } from '../../../../replicator/transport/incoming.ts';

async function sockets(incoming?: Incoming): Promise<[Socket, Socket]> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const onread = incoming === undefined ? {} : { onread: incoming.onread };
  const one = connect({ port: address.port, host: '127.0.0.1', ...onread });
  const [other] = (await once(server, 'connection')) as [Socket];
  server.close();
  return [one, other];
}

async function channels(now = () => 0): Promise<[StreamChannel, StreamChannel, Socket]> {
  const [one, other] = await sockets();
  return [new StreamChannel(one, now), new StreamChannel(other, now), one];
}

function closed(channel: StreamChannel): Promise<unknown> {
  return channel.closed.aborted ? Promise.resolve() : once(channel.closed, 'abort');
}

describe('frames on a byte stream', () => {
  it('arrive whole and in order, and the reason of the end on both sides', async () => {
    const [one, other] = await channels();
    const received: Frame[] = [];
    const whole = Promise.withResolvers<void>();
    other.receive(
      (frame) => {
        received.push({ type: frame.type, body: Buffer.from(frame.body) });
        if (received.length === 101) whole.resolve();
      },
      (error) => whole.reject(error),
    );
    const data = Buffer.alloc(limits.contentPiece, 7);
    for (let id = 0; id < 100; id++) {
      one.send(encodeToFollower({ type: 'content', id, offset: 0, data: data.subarray(0, id * 2600) }));
    }
    one.send(encodeToFollower({ type: 'answered', id: 5 }));
    await whole.promise;
    assert.deepEqual(
      received.map(({ body }) => body.length),
      [...Array.from({ length: 100 }, (_, id) => 12 + id * 2600), 4],
    );
    one.close(new Error('enough'));
    await closed(other);
    assert.equal(one.closed.reason.message, 'enough');
    assert.match(other.closed.reason.message, /ended/);
  });

  it('arrive whole in memory that is used again', async () => {
    const incoming = new Incoming();
    const [one, two] = await sockets(incoming);
    const [near, far] = [new StreamChannel(one, () => 0, incoming), new StreamChannel(two, () => 0)];
    const lengths = [0, 1, 70_000, 3, limits.contentPiece, 200, limits.contentPiece, 17_000];
    const bodies = new Set<ArrayBufferLike>();
    const received: string[] = [];
    const all = Promise.withResolvers<void>();
    near.receive(
      ({ body }) => {
        const content = body.subarray(12);
        bodies.add(body.buffer);
        received.push(`${content.length} of ${[...new Set(content)]}`);
        if (received.length === 4 * lengths.length) all.resolve();
      },
      (error) => all.reject(error),
    );
    const expected: string[] = [];
    for (let round = 0; round < 4; round++) {
      for (const [index, length] of lengths.entries()) {
        const byte = 16 * round + index;
        far.send(encodeToFollower({ type: 'content', id: 1, offset: 0, data: Buffer.alloc(length, byte) }));
        expected.push(`${length} of ${length === 0 ? '' : byte}`);
      }
    }
    await all.promise;
    assert.deepEqual(received, expected);
    assert.ok(bodies.size <= 4, `${bodies.size} buffers for ${received.length} frames`);
    near.close(new Error('enough'));
    await closed(far);
  });

  it('say when more can be sent, and when not', async () => {
    const [one, other] = await channels();
    let drains = 0;
    const drained = Promise.withResolvers<void>();
    one.onDrain(() => {
      drains += 1;
      drained.resolve();
    });
    const data = Buffer.alloc(limits.contentPiece);
    let sent = 0;
    while (one.send(encodeToFollower({ type: 'content', id: 1, offset: 0, data }))) {
      assert.ok(sent++ < 1000, 'it is bounded');
    }
    assert.equal(one.writable, false);
    other.receive(
      () => {},
      () => {},
    );
    await drained.promise;
    assert.equal(one.writable, true);
    assert.ok(drains > 0);
    one.close(new Error('enough'));
    await closed(other);
  });

  it('that are too long are told once, and nothing after them is read', async () => {
    const [one, other, socket] = await channels();
    const told = Promise.withResolvers<unknown>();
    let frames = 0;
    let failures = 0;
    other.receive(
      () => {
        frames += 1;
      },
      (error) => {
        failures += 1;
        other.close(error as Error);
        told.resolve(error);
      },
    );
    const long = Buffer.alloc(4);
    long.writeUInt32BE(limits.frame + 1);
    const good = Buffer.concat(encodeToLeader({ type: 'want-name', id: 1, path: 'a' }));
    socket.write(Buffer.concat([good, long, good]));
    assert.match(String(await told.promise), /more than/);
    assert.deepEqual([frames, failures], [1, 1]);
    one.close(new Error('enough'));
  });

  it('end when the other side says nothing any more, as far as it is listened to', async (context) => {
    context.mock.timers.enable({ apis: ['setInterval'] });
    let atMs = 0;
    const [silent, deaf] = [await sockets(), await sockets()];
    const [listening, paused] = [silent[1], deaf[1]].map((socket) => new StreamChannel(socket, () => atMs));
    assert.ok(listening !== undefined && paused !== undefined);
    const nothing = () => {};
    listening.receive(nothing, nothing);
    paused.receive(nothing, nothing);
    paused.pause();
    atMs = 10_000;
    context.mock.timers.tick(1000);
    await closed(listening);
    assert.match(listening.closed.reason.message, /silent/);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(paused.closed.aborted, false);
    paused.close(new Error('enough'));
    for (const socket of [silent[0], deaf[0]]) socket.destroy();
  });
});
