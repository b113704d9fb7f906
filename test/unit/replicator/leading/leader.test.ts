import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import pino from 'pino';
import { Leader, type LeaderOptions } from '../../../../replicator/leading/leader.ts';
import { emptyChain } from '../../../../replicator/log/batch.ts';
import { decodeToFollower, encodeToLeader } from '../../../../replicator/peers/codec.ts';
import type { ToFollower, ToLeader } from '../../../../replicator/peers/messages.ts';
import { StreamChannel } from '../../../../replicator/peers/stream-channel.ts';
import type { ModelEngine } from '../peers/model-engine.ts';
import { engine, lead, opened, order } from '../peers/pair.ts';

/** A leadership with one follower by hand. */
describe('a leader', () => {
  let a: ModelEngine;
  let leader: Leader;
  let follower: StreamChannel;
  let received: ToFollower[];
  let asked: { change: string; nodeId: string }[];
  let logged: { peer?: string; msg: string }[];

  const settle = async () => {
    for (let quiet = 0; quiet < 6; quiet++) {
      while (a.slow.length > 0) a.slow.shift()?.run();
      await turn();
    }
  };
  const tell = async (message: ToLeader) => {
    follower.send(encodeToLeader(message));
    await settle();
  };
  const flushed = (sequence: number, complete: boolean) =>
    tell({ type: 'flushed', position: { epoch: sequence === 0 ? 0 : a.epoch, sequence }, complete });

  async function start(inSync: readonly string[], settings = {}): Promise<void> {
    a = engine('a');
    lead(a, 1);
    received = [];
    asked = [];
    logged = [];
    const options = {
      settings: {
        ...{ cluster: 'test', nodeId: 'a', mode: 'sync', strict: false, syncTimeoutMs: 60_000 },
        ...settings,
      },
      leading: a,
      inSync,
      config: { snapshot: { digest: 'c', files: [] } },
      log: pino({ level: 'warn' }, { write: (line: string) => void logged.push(JSON.parse(line)) }),
      now: () => performance.now(),
      peers: () => new Map([['b', { alive: true }]]),
      send: (message: { type: string; change: string; nodeId: string }) => {
        if (message.type === 'membership') asked.push({ change: message.change, nodeId: message.nodeId });
      },
      onChanged: () => {},
      onHigherEpoch: () => {},
      onRefusal: () => {},
      onRoom: () => {},
    };
    leader = new Leader(options as unknown as LeaderOptions);
    await connect();
  }

  /** @param anew with a log that ends there, to which the leader's does not reach back */
  async function connect(anew: number | null = null): Promise<void> {
    const [near, far] = duplexPair();
    leader.attach('b', near, () => near.destroy());
    follower = new StreamChannel(far, () => performance.now());
    follower.receive(
      (frame) => {
        const message = decodeToFollower(frame);
        if (message !== null) received.push(message);
      },
      (error) => assert.fail(String(error)),
    );
    const none = { epoch: 0, sequence: 0 };
    const chain = emptyChain.toString('hex');
    await tell({
      ...{ type: 'hello', cluster: 'test', node: 'b', highestEpoch: 1 },
      ...{ position: anew ? { epoch: 1, sequence: anew } : none, chain, start: none },
      epochs: anew ? [[1, 1]] : [],
    });
    const welcome = received.findLast((message) => message.type === 'welcome');
    const own = { position: none, chain };
    const joined = anew !== null ? { position: welcome?.position ?? none, chain: welcome?.chain ?? '' } : own;
    await tell({ type: 'joined', ...joined });
    await tell({ type: 'config-applied', digest: 'c' });
  }

  beforeEach(() => start(['a', 'b']));

  afterEach(() => {
    leader.stop();
    follower.close(new Error('the test is over'));
  });

  /** Orders a change, and waits for it as a client does. */
  function change(handle: number): { sequence: number; isDurable: boolean } {
    order(a, [opened(handle, `f${handle}`)]);
    const { sequence } = a.position;
    const waiting = { sequence, isDurable: false };
    leader.durable(sequence).then(
      () => {
        waiting.isDurable = true;
      },
      () => {},
    );
    return waiting;
  }

  it('acknowledges what a member has flushed completely, and nothing that it lacks something of (R5)', async () => {
    const waiting = change(1);
    await flushed(waiting.sequence, false);
    assert.equal(waiting.isDurable, false, 'an incomplete flush');
    await tell({ type: 'received', position: { epoch: 1, sequence: waiting.sequence } });
    assert.equal(waiting.isDurable, false, 'what is received alone');
    await flushed(waiting.sequence, true);
    assert.equal(waiting.isDurable, true);
  });

  it('acknowledges a change whose barrier was passed, whatever came before it', async () => {
    const [first, second] = [change(1), change(2)];
    await settle();
    const barriers = received.filter(({ type }) => type === 'barrier');
    assert.deepEqual(barriers, [
      { type: 'barrier', sequence: first.sequence },
      { type: 'barrier', sequence: second.sequence },
    ]);
    await tell({ type: 'passed', sequence: second.sequence });
    assert.deepEqual([first.isDurable, second.isDurable], [false, true]);
    await tell({ type: 'passed', sequence: first.sequence });
    assert.equal(first.isDurable, true);
  });

  it('tells nothing of what a member has that came back without what it had acknowledged (F4)', async () => {
    const { sequence } = change(1);
    await flushed(sequence, true);
    assert.deepEqual(await leader.atRisk.ask(10), [], 'a member has everything');
    follower.close(new Error('its power is cut'));
    await settle();
    await connect();
    const [back] = await leader.atRisk.ask(10);
    assert.deepEqual([back?.nodeId, back?.holds], ['b', null]);
    assert.match(String(back?.unknown), /does not know what it has/);
  });

  it('takes a member out that lost its disk, although it follows from the end of the log (F4)', async () => {
    const { sequence } = change(1);
    await flushed(sequence, true);
    follower.close(new Error('its disk is replaced'));
    await settle();
    // The log does not reach back to its beginning any more: everything is compared.
    a.trimLog();
    await connect(0);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.deepEqual(asked, [{ change: 'remove', nodeId: 'b' }]);
    const [back] = await leader.atRisk.ask(10);
    assert.deepEqual([back?.nodeId, back?.holds], ['b', null]);
  });

  it('takes nothing back of a follower that was away for longer than the log reaches', async () => {
    leader.stop();
    await start(['a']);
    const { sequence } = change(1);
    await flushed(sequence, true);
    follower.close(new Error('the link is cut'));
    await settle();
    change(2);
    a.trimLog();
    await connect(sequence);
    assert.deepEqual([logged, asked], [[], []]);
    const [back] = await leader.atRisk.ask(10);
    assert.deepEqual(back?.holds?.sequence, sequence);
    assert.match(String(back?.unknown), /longer than the log reaches back/);
  });

  it('does not take it that a member has everything when nothing waits for it', async () => {
    leader.stop();
    await start(['a', 'b'], { mode: 'async' });
    const { position } = a;
    await flushed(position.sequence, true);
    change(1);
    const [lacking] = await leader.atRisk.ask(10);
    assert.deepEqual([lacking?.nodeId, lacking?.holds], ['b', position]);
  });

  it('takes a follower in only once it has what was acknowledged without it (G3)', async () => {
    leader.stop();
    await start(['a']);
    await flushed(0, true);
    const alone = change(1);
    await settle();
    assert.equal(alone.isDurable, true);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.deepEqual(asked, [], 'it is complete, as far as it came');
    await flushed(alone.sequence, true);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.deepEqual(asked, [{ change: 'add', nodeId: 'b' }]);
  });

  it('says that a follower that was about to join stands still, and shows it so until it has flushed more', async () => {
    leader.stop();
    await start(['a'], { syncTimeoutMs: 100 });
    await flushed(0, true);
    const state = () => leader.progress()[0]?.state;
    assert.equal(state(), 'streaming');
    await new Promise((resolve) => setTimeout(resolve, 100));
    const waiting = change(1);
    await settle();
    assert.equal(waiting.isDurable, false, 'it counts');
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.equal(waiting.isDurable, true, 'nobody waits for it any more');
    assert.deepEqual(
      logged.map(({ peer, msg }) => [peer, msg.replace(/\d+ ms/, 'N ms')]),
      [
        [
          'b',
          'b has flushed nothing for N ms while changes waited for it: it joins the in-sync set only after it has flushed more',
        ],
      ],
    );
    assert.equal(state(), 'catching-up');
    await flushed(waiting.sequence, true);
    assert.equal(state(), 'streaming');
  });
});
