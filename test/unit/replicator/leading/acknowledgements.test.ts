import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Acknowledgements } from '../../../../replicator/leading/acknowledgements.ts';

function ledger(inSync: string[], rules: { waits?: boolean; strict?: boolean } = {}) {
  return new Acknowledgements({ self: 'one', waits: true, strict: false, ...rules }, inSync);
}

describe('acknowledgements (G3)', () => {
  it('wait for the slowest member, cumulatively', () => {
    const acks = ledger(['one', 'two', 'three']);
    for (let sequence = 1; sequence <= 5; sequence++) acks.received(sequence, 0);
    assert.equal(acks.durable, 0);
    acks.acknowledge('two', 5, 1);
    assert.equal(acks.durable, 0);
    acks.acknowledge('three', 3, 2);
    assert.equal(acks.durable, 3);
    acks.acknowledge('three', 2, 3);
    assert.equal(acks.durable, 3);
  });

  it('of one change do not wait for those before it, and say nothing of them (P3)', () => {
    const acks = ledger(['one', 'two', 'three']);
    for (let sequence = 1; sequence <= 5; sequence++) acks.received(sequence, 0);
    acks.acknowledgeOne('two', 4, 1);
    assert.equal(acks.isDurable(4), false);
    acks.acknowledgeOne('three', 4, 1);
    assert.deepEqual(
      [1, 2, 3, 4, 5].map((sequence) => acks.isDurable(sequence)),
      [false, false, false, true, false],
    );
    assert.equal(acks.durable, 0);
    assert.deepEqual(acks.overdue(100, 99), ['two', 'three']);
    acks.acknowledge('two', 5, 100);
    acks.acknowledge('three', 3, 100);
    assert.equal(acks.durable, 3);
    assert.deepEqual(acks.overdue(300, 100), ['three']);
    assert.equal(acks.acknowledgedBy('three'), 4, 'its log reaches there');
  });

  it('are waited for from the very first operation', () => {
    const acks = ledger(['one', 'two']);
    acks.received(0, 100);
    assert.deepEqual(acks.overdue(300, 100), ['two']);
    acks.acknowledge('two', 0, 310);
    assert.deepEqual(acks.overdue(500, 100), []);
  });

  it('are overdue by what a member has not acknowledged yet, not by what others have not', () => {
    const acks = ledger(['one', 'two', 'three']);
    acks.received(1, 100);
    acks.acknowledge('two', 1, 110);
    assert.deepEqual(acks.overdue(500, 100), ['three']);
  });

  it('that nobody waits for refuse nothing', () => {
    assert.equal(ledger(['one'], { waits: false, strict: true }).refuses, false);
    assert.equal(ledger(['one'], { strict: true }).refuses, true);
  });

  it('of somebody outside of the set mean nothing', () => {
    const acks = ledger(['one', 'two']);
    acks.received(1, 0);
    acks.acknowledge('stranger', 1, 0);
    assert.equal(acks.durable, 0);
  });

  it('of more than what is waited for count when that is waited for', () => {
    const acks = ledger(['one', 'two']);
    acks.received(1, 0);
    acks.acknowledge('two', 9, 0);
    assert.equal(acks.durable, 1);
    acks.received(7, 0);
    assert.equal(acks.durable, 7);
  });

  it('wait for nobody when this host is alone, or the mode does not wait', () => {
    const alone = ledger(['one']);
    alone.received(1, 0);
    assert.equal(alone.durable, 1);
    const asynchronous = ledger(['one', 'two'], { waits: false });
    asynchronous.received(1, 0);
    assert.equal(asynchronous.durable, 1);
  });

  it('go on without a member only when etcd has it out of the set', () => {
    const acks = ledger(['one', 'two']);
    acks.received(1, 100);
    assert.deepEqual(acks.overdue(199, 100), []);
    assert.deepEqual(acks.overdue(200, 100), ['two']);
    assert.equal(acks.durable, 0);
    acks.setMembers(['one']);
    assert.equal(acks.durable, 1);
  });

  it('count a follower from before it is asked to be added', () => {
    const acks = ledger(['one']);
    acks.received(1, 0);
    acks.acknowledge('two', 1, 0);
    acks.beginJoining('two');
    acks.received(2, 0);
    assert.equal(acks.durable, 1);
    acks.setMembers(['one', 'two']);
    acks.endJoining('two');
    assert.equal(acks.durable, 1);
    acks.acknowledge('two', 2, 0);
    assert.equal(acks.durable, 2);
  });

  it('are not waited for any more when an add was not accepted', () => {
    const acks = ledger(['one']);
    acks.beginJoining('two');
    acks.received(1, 0);
    assert.equal(acks.durable, 0);
    acks.setMembers(['one']);
    acks.endJoining('two');
    assert.equal(acks.durable, 1);
  });

  it('of a member that makes progress are late only when the progress ends', () => {
    const acks = ledger(['one', 'two']);
    acks.received(2, 0);
    acks.acknowledge('two', 1, 90);
    assert.deepEqual(acks.overdue(180, 100), []);
    assert.deepEqual(acks.overdue(190, 100), ['two']);
  });

  it('that nobody waits for make nobody late', () => {
    const acks = ledger(['one', 'two']);
    assert.deepEqual(acks.overdue(1_000_000, 100), []);
  });

  it('stand still in strict mode without another member, and what was durable stays so', () => {
    const acks = ledger(['one', 'two'], { strict: true });
    acks.received(1, 0);
    acks.acknowledge('two', 1, 0);
    acks.setMembers(['one']);
    assert.ok(acks.refuses);
    acks.received(2, 0);
    assert.equal(acks.durable, 1);
    assert.deepEqual([acks.isDurable(1), acks.isDurable(2)], [true, false]);
    acks.setMembers(['one', 'two']);
    assert.ok(!acks.refuses);
    acks.acknowledge('two', 2, 0);
    assert.equal(acks.durable, 2);
  });

  it('wait in strict mode for a member: what a joiner has is not enough before etcd has it in the set', () => {
    const acks = ledger(['one'], { strict: true });
    for (const sequence of [5, 6]) acks.received(sequence, 0);
    acks.acknowledge('two', 5, 0);
    acks.beginJoining('two');
    acks.acknowledgeOne('two', 6, 10);
    assert.deepEqual([acks.isDurable(5), acks.isDurable(6), acks.durable], [false, false, 0]);
    acks.acknowledge('two', 6, 20);
    assert.deepEqual([acks.isDurable(5), acks.isDurable(6), acks.durable], [false, false, 0]);
    acks.beginJoining('three');
    assert.ok(acks.hasPromised('three'), 'no client was told of anything');
    acks.endJoining('three');
    acks.setMembers(['one', 'two']);
    acks.endJoining('two');
    assert.deepEqual([acks.isDurable(5), acks.isDurable(6), acks.durable], [true, true, 6]);
  });

  it('of many changes by themselves do not add up to an error', () => {
    const acks = ledger(['one', 'two']);
    for (let sequence = 1; sequence <= 200_000; sequence++) acks.acknowledgeOne('two', sequence, 0);
    assert.equal(acks.acknowledgedBy('two'), 200_000);
  });

  it('of a host that lost what it acknowledged are asked for anew (F4)', () => {
    const acks = ledger(['one', 'two']);
    acks.received(5, 0);
    acks.acknowledge('two', 5, 0);
    acks.forget('two');
    acks.received(6, 0);
    acks.acknowledge('two', 4, 0);
    assert.equal(acks.durable, 5);
    acks.acknowledge('two', 6, 0);
    assert.equal(acks.durable, 6);
  });

  it('a set without this host was lost in etcd: it takes nobody out', () => {
    const acks = ledger(['one', 'two']);
    for (const lost of [[], ['three']]) {
      acks.setMembers(lost);
      acks.received(5, 0);
      assert.equal(acks.durable, 0);
    }
    assert.deepEqual(acks.members, ['two', 'three']);
    acks.setMembers(['one', 'three']);
    assert.deepEqual(acks.members, ['three']);
  });
});
