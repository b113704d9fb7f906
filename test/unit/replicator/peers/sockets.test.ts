import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { FollowingSession } from '../../../../replicator/peers/following-session.ts';
import { LiveStream } from '../../../../replicator/peers/live-stream.ts';
import { ServingSession } from '../../../../replicator/peers/serving-session.ts';
import { StreamChannel } from '../../../../replicator/peers/stream-channel.ts';
import { until } from '../../until.ts';
import { engine, lead, opened, order, path } from './pair.ts';

describe('the sessions on sockets', () => {
  it('bring a follower to the leader’s tree, with and without data, and tell when it is flushed', async () => {
    const [a, b] = [engine('a'), engine('b')];
    lead(a, 1);
    order(a, [opened(1, 'before')]);
    for (let at = 0; at < 50; at++) {
      order(a, [{ kind: 'write', handle: 1, offset: at * 10, length: 10 }], [Buffer.alloc(10, at)]);
    }
    a.trimLog();
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    const dialed = connect(address.port, '127.0.0.1');
    const [accepted] = (await once(server, 'connection')) as [Socket];
    server.close();
    let flushed = 0;
    const stream = new LiveStream(a, 100_000, () => {});
    const channel = new StreamChannel(accepted, () => 0);
    const serving = new ServingSession(channel, {
      nodeId: 'b',
      cluster: 'test',
      port: a,
      stream,
      replicatesFiles: true,
      now: () => 0,
      onJoined: () => {},
      onReceived: () => {},
      onFlushed: (_session, { position, complete }) => {
        if (complete) flushed = position.sequence;
      },
      onPassed: () => {},
      onChanged: () => {},
      onHigherEpoch: () => {},
    });
    const following = new FollowingSession(new StreamChannel(dialed, () => 0), {
      port: b,
      cluster: 'test',
      nodeId: 'b',
      leader: 'a',
      epoch: 1,
      highestEpoch: 1,
      onConfig: () => {},
      onChanged: () => {},
    });
    const ended = following.run();
    const steps = setInterval(() => {
      for (const { slow } of [a, b]) for (const { run } of slow.splice(0)) run();
    }, 1);
    try {
      await until(() => serving.isJoined);
      order(a, [{ kind: 'mkdir', path: path('d'), mode: 0o755 }, opened(2, 'd/now')]);
      for (let at = 0; at < 300; at++) {
        order(a, [{ kind: 'write', handle: 2, offset: at * 1000, length: 1000 }], [Buffer.alloc(1000, at)]);
      }
      serving.flush(a.position.sequence);
      await until(() => flushed === a.position.sequence);
      assert.deepEqual(b.host.disk.snapshot(), a.host.disk.snapshot());
      assert.ok(b.counts.withData > 0 && b.counts.anew === 1);
    } finally {
      serving.close(new Error('the end of the test'));
      await ended;
      clearInterval(steps);
      for (const socket of [dialed, accepted]) socket.destroy();
    }
    assert.equal(a.openFiles, 0);
  });
});
