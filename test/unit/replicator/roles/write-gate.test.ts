import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WriteGate } from '../../../../replicator/write-gate.ts';

describe('the write gate of the engine', () => {
  const clock = { now: 1000 };
  const fresh = () => {
    clock.now = 1000;
    return new WriteGate(undefined, () => clock.now);
  };

  it('is shut until it is permitted, and by itself at the end of the permit', () => {
    const gate = fresh();
    assert.equal(gate.isOpenFor(7), false);
    gate.permit({ epoch: 7, validUntilMs: 2000 });
    assert.equal(gate.isOpenFor(7), true);
    assert.deepEqual([gate.of(7).mayChange, gate.of(7).mayAcknowledge], [true, true]);
    clock.now = 2000;
    assert.equal(gate.isOpenFor(7), false);
    assert.deepEqual([gate.of(7).mayChange, gate.of(7).mayAcknowledge], [false, false]);
  });

  it('is open for the epoch of its permit alone', () => {
    const gate = fresh();
    gate.permit({ epoch: 7, validUntilMs: 2000 });
    gate.permit({ epoch: 8, validUntilMs: 1500 });
    assert.deepEqual([gate.isOpenFor(7), gate.isOpenFor(8)], [false, true]);
    clock.now = 1600;
    assert.equal(gate.isOpenFor(8), false, 'nothing is left of the permit before');
  });

  it('is extended, and an older permit takes nothing back', () => {
    const gate = fresh();
    gate.permit({ epoch: 7, validUntilMs: 2000 });
    gate.permit({ epoch: 7, validUntilMs: 1500 });
    clock.now = 1600;
    assert.equal(gate.isOpenFor(7), true);
    gate.permit({ epoch: 7, validUntilMs: 3000 });
    clock.now = 2500;
    assert.equal(gate.isOpenFor(7), true);
  });

  it('is shut at once, until the next permit, in every thread', () => {
    const gate = fresh();
    const elsewhere = new WriteGate(gate.memory, () => clock.now);
    gate.permit({ epoch: 7, validUntilMs: 2000 });
    assert.equal(elsewhere.isOpenFor(7), true);
    gate.shut();
    assert.equal(elsewhere.isOpenFor(7), false);
    gate.permit({ epoch: 7, validUntilMs: 1900 });
    assert.equal(elsewhere.isOpenFor(7), true);
  });
});
