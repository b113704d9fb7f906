import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Awaited } from '../../../../replicator/leading/awaited.ts';

describe('who waits for other disks', () => {
  it('goes on when its record is there, and not before', async () => {
    const awaited = new Awaited();
    const done: number[] = [];
    for (const sequence of [3, 5, 5, 9]) void awaited.until(sequence).then(() => done.push(sequence));
    awaited.settle((sequence) => sequence === 5);
    await turn();
    assert.deepEqual(done, [5, 5]);
    awaited.settle(() => false);
    await turn();
    assert.deepEqual(done, [5, 5]);
    awaited.settle(() => true);
    await turn();
    assert.deepEqual(done, [5, 5, 3, 9]);
  });

  it('is told when that will never be known', async () => {
    const awaited = new Awaited();
    const waiting = awaited.until(3);
    awaited.fail(new Error('over'));
    await assert.rejects(waiting, /over/);
    awaited.settle(() => true);
  });
});
