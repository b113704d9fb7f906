import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Follower, type FollowingOptions } from '../../../../replicator/replica/follower.ts';
import { until } from '../../until.ts';
import { Port, peerOf, tlsOf } from '../transport/fixture.ts';

describe('who follows', () => {
  it('does not talk to a leader whose key was replaced in etcd while it was called', async () => {
    using port = await Port.listen();
    let asked = 0;
    const reasons: string[] = [];
    const follower = new Follower({
      leader: 'here',
      tls: tlsOf('there'),
      now: () => performance.now(),
      settings: { quarantineRoot: '/nowhere' },
      // Once for the call; then etcd names another.
      peer: () => peerOf('here', ++asked === 1 ? 'here' : 'stranger', port.number),
      log: { info: ({ reason }: { reason: string }) => reasons.push(reason) },
      applier: { closeAll: () => {} },
      onChanged: () => {},
    } as unknown as FollowingOptions);
    const running = follower.run().catch(() => {});
    await until(() => port.channels[0]?.channel.resume().destroyed === true);
    await until(() => reasons.length > 1);
    assert.match(String(reasons[0]), /changed while it was called/);
    assert.match(String(reasons[1]), /a key that is not the one in etcd/);
    assert.equal(port.channels.length, 1);
    follower.stop();
    await running;
  });
});
