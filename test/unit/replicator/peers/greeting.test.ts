import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeToLeader } from '../../../../replicator/peers/codec.ts';
import type { Hello } from '../../../../replicator/peers/control.ts';
import { codeOf, copyLog, engine, lead, opened, order, Pair, path } from './pair.ts';

const mkdir = (name: string) => ({ kind: 'mkdir' as const, path: path(name), mode: 0o755 });

describe('the greeting between engines', () => {
  it('refuses a leadership that the follower has seen the end of, and tells the leader', async () => {
    const [a, b] = [engine('a'), engine('b')];
    lead(a, 4);
    const pair = new Pair(a);
    const { ended } = pair.follow(b, { highestEpoch: 7 });
    await pair.settle(a, b);
    assert.equal(codeOf(await ended), 'EPOCH_STALE');
    assert.equal(codeOf(pair.serving.closed.reason), 'EPOCH_STALE');
    assert.deepEqual(pair.higherEpochs, [7]);
    assert.equal(b.position.sequence, 0);
  });

  it('refuses a leadership below the position that the follower holds', async () => {
    const [a, b] = [engine('a'), engine('b')];
    lead(a, 4);
    lead(b, 6);
    const pair = new Pair(a);
    const { ended } = pair.follow(b);
    await pair.settle(a, b);
    assert.equal(codeOf(await ended), 'EPOCH_STALE');
    assert.deepEqual(pair.higherEpochs, [6]);
  });

  it('serves no other leadership than the one that the follower was told of', async () => {
    for (const told of [3, 5]) {
      const [a, b] = [engine('a'), engine('b')];
      lead(a, 4);
      const pair = new Pair(a);
      const { ended } = pair.follow(b, { epoch: told, highestEpoch: 3 });
      await pair.settle(a, b);
      assert.equal(codeOf(await ended), 'EPOCH_STALE');
      assert.equal(codeOf(pair.serving.closed.reason), 'EPOCH_STALE');
      assert.equal(b.position.sequence, 0, 'nothing was taken of it');
    }
  });

  it('refuses a foreign cluster, and another host than the transport knows', async () => {
    for (const options of [{ cluster: 'other' }, { nodeId: 'c' }]) {
      const [a, b] = [engine('a'), engine('b')];
      lead(a, 1);
      const pair = new Pair(a, options);
      const { ended } = pair.follow(b);
      await pair.settle(a, b);
      assert.equal(codeOf(await ended), 'PEER_REFUSED');
      assert.equal(codeOf(pair.serving.closed.reason), 'PEER_REFUSED');
    }
  });

  it('goes on from the end of a log that the leader has, too', async () => {
    const [a, b] = [engine('a'), engine('b')];
    lead(a, 1);
    order(a, [mkdir('x')]);
    await copyLog(a, b);
    order(a, [mkdir('y')]);
    const pair = new Pair(a);
    pair.follow(b);
    await pair.settle(a, b);
    assert.equal(b.position.sequence, 3);
    assert.deepEqual([b.counts.cuts, b.counts.anew], [0, 0]);
    assert.deepEqual(pair.serving.receivedPosition, { epoch: 1, sequence: 3 });
  });

  it('takes back what the follower alone has, by the tables of epochs', async () => {
    const [a, b] = [engine('a'), engine('b')];
    lead(a, 1);
    order(a, [mkdir('x')]);
    await copyLog(a, b);
    lead(b, 2);
    order(b, [mkdir('own')]);
    order(b, [mkdir('too')]);
    lead(a, 3);
    const pair = new Pair(a);
    pair.follow(b);
    await pair.settle(a, b);
    assert.deepEqual(b.position, { epoch: 3, sequence: 3 });
    assert.equal(b.counts.cuts, 1);
    assert.deepEqual(b.host.disk.entries(''), ['x']);
  });

  it('begins anew when the leader’s log does not reach back to the follower’s', async () => {
    const [a, b] = [engine('a'), engine('b')];
    lead(a, 1);
    order(
      a,
      [mkdir('x'), opened(1, 'x/f'), { kind: 'write', handle: 1, offset: 0, length: 3 }],
      [Buffer.from('abc')],
    );
    a.trimLog();
    const pair = new Pair(a);
    pair.follow(b);
    order(a, [mkdir('y')]);
    await pair.settle(a, b);
    assert.equal(b.counts.anew, 1);
    assert.deepEqual(b.host.disk.snapshot(), a.host.disk.snapshot());
    assert.equal(b.host.replica.isComplete, true);
  });

  it('finds damage: the same position with another chain value', async () => {
    const [a, b] = [engine('a'), engine('b')];
    lead(a, 1);
    order(a, [mkdir('x')]);
    await copyLog(a, b);
    b.damageChain();
    const pair = new Pair(a);
    const { ended } = pair.follow(b);
    await pair.settle(a, b);
    assert.equal(codeOf(await ended), 'HISTORY_DIFFERS');
    assert.equal(codeOf(pair.serving.closed.reason), 'HISTORY_DIFFERS');
  });

  it('finds damage on the leader’s side, too', async () => {
    const a = engine('a');
    lead(a, 1);
    order(a, [mkdir('x')]);
    const pair = new Pair(a);
    const received = pair.byHand();
    pair.send(helloOf('00'.repeat(16), 2));
    await pair.settle(a);
    assert.deepEqual(
      received.map((message) => message.type === 'refused' && message.code),
      ['HISTORY_DIFFERS'],
    );
  });

  it('finds damage below the follower’s position before it takes anything back', async () => {
    const [a, b] = [engine('a'), engine('b')];
    lead(a, 1);
    order(a, [mkdir('x')]);
    await copyLog(a, b);
    b.damageChain();
    lead(b, 2);
    lead(a, 3);
    const pair = new Pair(a);
    const { ended } = pair.follow(b);
    await pair.settle(a, b);
    assert.equal(codeOf(await ended), 'HISTORY_DIFFERS');
    assert.equal(codeOf(pair.serving.closed.reason), 'HISTORY_DIFFERS');
    assert.equal(b.position.sequence, 3, 'nothing was taken back');
  });

  it('looks where the follower stands once it joined', async () => {
    for (const wrong of [{ position: { epoch: 1, sequence: 1 } }, { chain: '00'.repeat(16) }]) {
      const a = engine('a');
      lead(a, 1);
      order(a, [mkdir('x')]);
      const pair = new Pair(a);
      pair.byHand();
      pair.send(helloOf(a.chain.toString('hex'), 2));
      await pair.settle(a);
      const right = { position: { epoch: 1, sequence: 2 }, chain: a.chain.toString('hex') };
      pair.send({ type: 'joined', ...right, ...wrong });
      await pair.settle(a);
      assert.equal(codeOf(pair.serving.closed.reason), 'HISTORY_DIFFERS');
    }
  });

  it('comes first, and once', async () => {
    const early = [
      { type: 'received', position: { epoch: 1, sequence: 1 } },
      { type: 'want-name', id: 1, path: 'a' },
      { type: 'joined', position: { epoch: 1, sequence: 1 }, chain: '00'.repeat(16) },
      { type: 'config-applied', digest: 'x' },
    ] as const;
    for (const message of early) {
      const a = engine('a');
      lead(a, 1);
      const pair = new Pair(a);
      pair.ends[1].send(encodeToLeader(message));
      await pair.settle(a);
      assert.equal(codeOf(pair.serving.closed.reason), 'PEER_PROTOCOL', message.type);
    }
    const a = engine('a');
    lead(a, 1);
    const pair = new Pair(a);
    pair.byHand();
    for (let time = 0; time < 2; time++) pair.send(helloOf(a.chain.toString('hex'), 1));
    await pair.settle(a);
    assert.equal(codeOf(pair.serving.closed.reason), 'PEER_PROTOCOL');
  });

  it('is followed by the configuration, also where files are not replicated', async () => {
    for (const replicatesFiles of [true, false]) {
      const [a, b] = [engine('a'), engine('b')];
      lead(a, 1);
      const pair = new Pair(a, { replicatesFiles });
      const digests: string[] = [];
      const { session } = pair.follow(b, {
        onConfig: ({ digest }) => {
          digests.push(digest);
          session.tellConfigApplied(digest);
        },
      });
      pair.serving.sendConfig({ digest: 'old', files: [] });
      pair.serving.sendConfig({ digest: 'first', files: [] });
      await pair.settle(a, b);
      pair.serving.sendConfig({ digest: 'second', files: [] });
      await pair.settle(a, b);
      assert.deepEqual(digests, ['first', 'second'], 'one that was replaced before it was sent is not');
      assert.equal(pair.serving.appliedConfig, 'second');
      assert.equal(pair.serving.isJoined, true);
      assert.equal(session.isJoined, true);
      assert.equal(b.position.sequence, replicatesFiles ? 1 : 0);
    }
  });
});

function helloOf(chain: string, sequence: number): Hello {
  return {
    type: 'hello',
    cluster: 'test',
    node: 'b',
    highestEpoch: 1,
    position: { epoch: 1, sequence },
    chain,
    epochs: [[1, 1]],
    start: { epoch: 0, sequence: 0 },
  };
}
