import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LoopWatch } from '#contracts/lateness.ts';
import { Acknowledgements } from '../../../../replicator/leading/acknowledgements.ts';
import { Membership } from '../../../../replicator/leading/membership.ts';

function setUp(inSync: string[]) {
  const acknowledgements = new Acknowledgements({ self: 'one', waits: true, strict: false }, inSync);
  const sent: { requestId: number; change: string; nodeId: string }[] = [];
  const late: [nodeId: string, waitedMs: number][] = [];
  const membership = new Membership(
    7,
    acknowledgements,
    ({ requestId, change, nodeId }) => sent.push({ requestId, change, nodeId }),
    (nodeId, waitedMs) => late.push([nodeId, waitedMs]),
  );
  const far = new Set<string>();
  const review = (atMs: number, caughtUp: string[] = [], alive = true) =>
    membership.review({
      atMs,
      syncTimeoutMs: 1000,
      isAlive: () => alive,
      caughtUp,
      isClose: (nodeId) => !far.has(nodeId),
      fallenBack: [],
    });
  return { acknowledgements, membership, sent, late, far, review };
}

describe('membership', () => {
  it('asks for the leadership that it acts for', () => {
    const epochs: number[] = [];
    const acknowledgements = new Acknowledgements({ self: 'one', waits: true, strict: false }, ['one']);
    const membership = new Membership(7, acknowledgements, ({ epoch }) => epochs.push(epoch));
    membership.review({
      atMs: 0,
      syncTimeoutMs: 1000,
      isAlive: () => true,
      caughtUp: ['two'],
      isClose: () => true,
      fallenBack: [],
    });
    assert.deepEqual(epochs, [7]);
  });

  it('waits no longer for a joiner that etcd is known to have without', () => {
    const { acknowledgements, membership, review } = setUp(['one']);
    review(0, ['two']);
    acknowledgements.received(1, 10);
    assert.equal(acknowledgements.durable, 0);
    membership.onResult(1, true, ['one']);
    assert.equal(acknowledgements.durable, 1);
  });

  it('removes a dead member at once, but only when something waits for it', () => {
    const { acknowledgements, sent, review } = setUp(['one', 'two']);
    review(0, [], false);
    assert.deepEqual(sent, []);
    acknowledgements.received(1, 10);
    review(10, [], false);
    assert.deepEqual(sent, [{ requestId: 1, change: 'remove', nodeId: 'two' }]);
  });

  it('removes a silent member after the timeout', () => {
    const { acknowledgements, sent, review } = setUp(['one', 'two']);
    acknowledgements.received(1, 0);
    review(999);
    assert.deepEqual(sent, []);
    review(1000);
    assert.equal(sent.length, 1);
  });

  it('removes nobody for a time in which this process stood still', () => {
    const { acknowledgements, sent, review } = setUp(['one', 'two']);
    const clock = { now: 0 };
    const watch = new LoopWatch({ now: () => clock.now });
    acknowledgements.received(1, watch.attendedMs());
    clock.now = 2500;
    review(watch.attendedMs());
    watch.beat();
    review(watch.attendedMs());
    assert.deepEqual(sent, []);
    for (let beats = 0; beats < 8; beats++) {
      clock.now += 100;
      watch.beat();
      review(watch.attendedMs());
    }
    assert.equal(sent.length, 1, 'what remains of its time counts');
  });

  it('takes a member in again that took itself out, and waits for it meanwhile', () => {
    const { acknowledgements, sent, review } = setUp(['one', 'two']);
    acknowledgements.received(1, 0);
    acknowledgements.acknowledge('two', 1, 10);
    acknowledgements.setMembers(['one']);
    review(20, ['two']);
    assert.deepEqual(sent, [{ requestId: 1, change: 'add', nodeId: 'two' }]);
  });

  it('has one request under way at a time, and repeats it when no answer comes', () => {
    const { acknowledgements, membership, sent, review } = setUp(['one', 'two']);
    acknowledgements.received(1, 0);
    review(1000, ['three']);
    review(1500, ['three']);
    assert.equal(sent.length, 1);
    review(4000, ['three']);
    assert.deepEqual(sent[1], sent[0]);
    membership.onResult(1, true, ['one']);
    acknowledgements.acknowledge('three', 1, 4040);
    review(4050, ['three']);
    assert.deepEqual(sent[2], { requestId: 2, change: 'add', nodeId: 'three' });
  });

  it('acts on the set in the answer, whatever was asked for', () => {
    const { acknowledgements, membership, review } = setUp(['one', 'two']);
    acknowledgements.received(1, 0);
    review(1000);
    membership.onResult(1, false, ['one', 'two']);
    assert.equal(acknowledgements.durable, 0);
    review(1050);
    membership.onResult(1, true, ['one']);
    assert.equal(acknowledgements.durable, 0, 'an answer to an older request is not one');
    membership.onResult(2, true, ['one']);
    assert.equal(acknowledgements.durable, 1);
  });

  it('goes on waiting for all members when the answer has no set with this host: it was lost in etcd', () => {
    const { acknowledgements, membership, review } = setUp(['one', 'two', 'three']);
    acknowledgements.received(1, 0);
    acknowledgements.acknowledge('three', 1, 0);
    review(1000);
    membership.onResult(1, false, []);
    assert.equal(acknowledgements.durable, 0);
    assert.deepEqual(acknowledgements.members, ['two', 'three']);
    membership.onResult(1, true, ['one', 'three']);
    review(2000);
    membership.onResult(2, true, ['one', 'three']);
    assert.equal(acknowledgements.durable, 1);
  });

  it('waits for a joiner from before the request leaves', () => {
    const acknowledgements = new Acknowledgements({ self: 'one', waits: true, strict: false }, ['one']);
    let durableWhenSent = -1;
    const membership = new Membership(7, acknowledgements, () => {
      acknowledgements.received(1, 0);
      durableWhenSent = acknowledgements.durable;
    });
    membership.review({
      atMs: 0,
      syncTimeoutMs: 1000,
      isAlive: () => true,
      caughtUp: ['two'],
      isClose: () => true,
      fallenBack: [],
    });
    assert.equal(durableWhenSent, 0);
  });

  it('asks for a joiner once it has what was acknowledged without it, and lets it count from before', () => {
    const { acknowledgements, sent, review } = setUp(['one']);
    acknowledgements.received(5, 0);
    assert.equal(acknowledgements.durable, 5);
    acknowledgements.acknowledge('two', 3, 10);
    review(20, ['two']);
    assert.deepEqual(sent, [], 'a change was acknowledged that it has not got');
    acknowledgements.received(6, 30);
    assert.ok(!acknowledgements.isDurable(6), 'it counts');
    acknowledgements.acknowledgeOne('two', 6, 40);
    assert.ok(acknowledgements.isDurable(6));
    review(50, ['two']);
    assert.deepEqual(sent, [], 'one change says nothing of those before');
    acknowledgements.acknowledge('two', 5, 60);
    review(70, ['two']);
    assert.deepEqual(sent, [{ requestId: 1, change: 'add', nodeId: 'two' }]);
  });

  it('takes for acknowledged what the log had when the leadership began', () => {
    const acknowledgements = new Acknowledgements({ self: 'one', waits: true, strict: false }, ['one'], 20);
    acknowledgements.beginJoining('two');
    acknowledgements.acknowledge('two', 19, 0);
    assert.equal(acknowledgements.hasPromised('two'), false);
    acknowledgements.acknowledge('two', 20, 0);
    assert.equal(acknowledgements.hasPromised('two'), true);
  });

  it('waits no longer for a candidate that is late, gone or lacks something, and asks etcd nothing of it', () => {
    for (const trouble of ['late', 'gone', 'lacks something']) {
      const { acknowledgements, sent, review } = setUp(['one']);
      acknowledgements.received(5, 0);
      review(0, ['two']);
      acknowledgements.received(6, 0);
      assert.equal(acknowledgements.isDurable(6), false);
      if (trouble === 'late') review(1000, ['two']);
      if (trouble === 'gone') review(50, ['two'], false);
      if (trouble === 'lacks something') review(50, []);
      assert.equal(acknowledgements.isDurable(6), true, trouble);
      assert.deepEqual(sent, []);
    }
  });

  it('chooses who lacks little, and keeps a candidate that reaches its credit', () => {
    const { acknowledgements, sent, far, review } = setUp(['one']);
    acknowledgements.received(5, 0);
    far.add('two');
    acknowledgements.acknowledge('two', 3, 0);
    review(0, ['two']);
    acknowledgements.received(6, 10);
    assert.ok(acknowledgements.isDurable(6), 'it is no candidate');
    far.delete('two');
    review(20, ['two']);
    far.add('two');
    review(40, ['two']);
    acknowledgements.acknowledge('two', 6, 50);
    review(60, ['two']);
    assert.deepEqual(sent, [{ requestId: 1, change: 'add', nodeId: 'two' }]);
  });

  it('takes no candidate that was late before it has flushed more', () => {
    const { acknowledgements, review } = setUp(['one']);
    acknowledgements.received(5, 0);
    acknowledgements.acknowledge('two', 3, 0);
    review(0, ['two']);
    acknowledgements.received(6, 0);
    review(1000, ['two']);
    review(5000, ['two']);
    acknowledgements.received(7, 5000);
    assert.ok(acknowledgements.isDurable(7), 'its disk stands still, and nobody waits for it again');
    acknowledgements.acknowledge('two', 7, 5010);
    review(5020, ['two']);
    acknowledgements.received(8, 5030);
    assert.equal(acknowledgements.isDurable(8), false);
  });

  it('takes no member that was removed for being late before it has flushed more', () => {
    const { acknowledgements, membership, sent, review } = setUp(['one', 'two']);
    acknowledgements.acknowledge('two', 0, 0);
    acknowledgements.received(1, 0);
    review(1000, ['two']);
    assert.equal(sent[0]?.change, 'remove');
    membership.onResult(1, true, ['one']);
    for (let atMs = 1050; atMs < 3000; atMs += 50) review(atMs, ['two']);
    acknowledgements.received(2, 3000);
    assert.equal(acknowledgements.durable, 2, 'nobody waits for it');
    acknowledgements.acknowledge('two', 2, 5000);
    review(5050, ['two']);
    assert.equal(sent.at(-1)?.change, 'add');
  });

  it('tells once of a candidate that is late, and again when it is after it has flushed more', () => {
    const { acknowledgements, membership, late, review } = setUp(['one']);
    acknowledgements.received(5, 0);
    acknowledgements.acknowledge('two', 3, 0);
    review(0, ['two']);
    acknowledgements.received(6, 200);
    for (let atMs = 300; atMs < 3000; atMs += 50) {
      review(atMs, ['two']);
      assert.equal(membership.isLate('two'), atMs >= 1200);
    }
    assert.deepEqual(late, [['two', 1000]]);
    acknowledgements.acknowledge('two', 4, 3000);
    assert.equal(membership.isLate('two'), false);
    review(3010, ['two']);
    acknowledgements.received(7, 3020);
    for (let atMs = 3050; atMs < 6000; atMs += 50) review(atMs, ['two']);
    assert.deepEqual(late, [
      ['two', 1000],
      ['two', 1030],
    ]);
  });

  it('tells nothing of a candidate that goes for another reason', () => {
    const { acknowledgements, sent, late, review } = setUp(['one']);
    acknowledgements.received(5, 0);
    review(0, ['two']);
    acknowledgements.received(6, 10);
    review(50, []);
    assert.ok(acknowledgements.isDurable(6));
    assert.deepEqual([sent, late], [[], []]);
  });

  it('goes on waiting for a candidate that etcd may have from before', () => {
    const { acknowledgements, membership, review } = setUp(['one']);
    review(0, ['two']);
    membership.onResult(1, false, ['one']);
    acknowledgements.received(1, 50);
    review(1100, ['two']);
    review(1150, []);
    assert.equal(acknowledgements.isDurable(1), false);
  });

  it('lets a candidate go that dies while etcd is asked for something else', () => {
    const { acknowledgements, sent, review } = setUp(['one', 'three']);
    acknowledgements.acknowledge('three', 0, 0);
    acknowledgements.received(5, 0);
    acknowledgements.acknowledge('three', 5, 0);
    review(0, ['two']);
    acknowledgements.received(6, 0);
    acknowledgements.acknowledge('two', 4, 900);
    review(1000, ['two']);
    assert.deepEqual(
      sent.map(({ change }) => change),
      ['remove'],
    );
    acknowledgements.acknowledge('three', 6, 1010);
    review(1020, ['two'], false);
    assert.ok(acknowledgements.isDurable(6));
  });

  it('goes on waiting for a joiner that etcd may have taken in without saying so', () => {
    const { acknowledgements, membership, sent, review } = setUp(['one']);
    review(0, ['two']);
    membership.onResult(1, false, ['one']);
    acknowledgements.received(1, 50);
    assert.equal(acknowledgements.durable, 0);
    review(50, [], false);
    assert.deepEqual(sent[1], { requestId: 2, change: 'remove', nodeId: 'two' });
    membership.onResult(2, false, ['one']);
    assert.equal(acknowledgements.durable, 1);
  });

  it('asks again for a refused joiner, but not at once', () => {
    const { membership, sent, review } = setUp(['one']);
    review(0, ['two']);
    membership.onResult(1, false, ['one']);
    review(50, ['two']);
    assert.equal(sent.length, 1);
    review(1000, ['two']);
    assert.equal(sent.length, 2);
  });
});
