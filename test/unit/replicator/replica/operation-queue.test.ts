import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { OperationFrame } from '../../../../replicator/protocol/codec.ts';
import { OperationQueue } from '../../../../replicator/replica/operation-queue.ts';

function frame(sequence: number, { durable = false, epoch = 3, size = 0 } = {}): OperationFrame {
  const operation = { kind: 'write' as const, handle: 1, offset: 0, data: Buffer.alloc(size) };
  return { type: 'operation', epoch, sequence, durable, operation };
}

function setUp() {
  const events: string[] = [];
  let release = () => {};
  const applier = {
    wantsFlush: false,
    applied: 0,
    apply() {
      this.applied += 1;
    },
    wantAll: () => events.push('want all'),
    flush: () => {
      events.push('flush');
      return new Promise<void>((resolve) => {
        release = resolve;
      });
    },
  };
  const queue = new OperationQueue(applier as never, 3, 0, {
    onApplied: (sequence) => events.push(`applied ${sequence}`),
    onFlushed: (sequence) => events.push(`flushed ${sequence}`),
    onFailed: (error) => events.push(String(error)),
    pause: () => events.push('pause'),
    resume: () => events.push('resume'),
  });
  return { events, applier, queue, flushed: () => release() };
}

describe('the queue of operations', () => {
  it('G3: acknowledges a durable operation only after the flush', async () => {
    const { events, queue, flushed } = setUp();
    queue.push(frame(1));
    queue.push(frame(2, { durable: true }));
    await turn();
    assert.deepEqual(events, ['flush']);
    flushed();
    await turn();
    assert.deepEqual(events, ['flush', 'applied 2']);
  });

  it('applies what arrives during a flush together, and acknowledges it once', async () => {
    const { events, applier, queue, flushed } = setUp();
    queue.push(frame(1, { durable: true }));
    await turn();
    for (let sequence = 2; sequence <= 9; sequence++) queue.push(frame(sequence));
    assert.equal(applier.applied, 1);
    flushed();
    await turn();
    assert.deepEqual(events, ['flush', 'applied 1', 'applied 9']);
  });

  it('flushes everything when asked to', async () => {
    const { events, queue, flushed } = setUp();
    queue.push(frame(1));
    queue.push({ type: 'flush', sequence: 1 });
    await turn();
    flushed();
    await turn();
    assert.deepEqual(events, ['want all', 'flush', 'applied 1', 'flushed 1']);
  });

  it('asks the leader to wait rather than to fill the memory', async () => {
    const { events, queue } = setUp();
    for (let sequence = 1; sequence <= 10; sequence++) queue.push(frame(sequence, { size: 1024 * 1024 }));
    assert.deepEqual(events, ['pause']);
    await turn();
    assert.deepEqual(events, ['pause', 'applied 10', 'resume']);
  });

  it('stops at a gap and at another epoch', async () => {
    for (const wrong of [frame(3), frame(2, { epoch: 2 }), frame(1)]) {
      const { events, applier, queue } = setUp();
      queue.push(frame(1));
      queue.push(wrong);
      queue.push(frame(2));
      await turn();
      assert.equal(applier.applied, 1);
      assert.equal(events.length, 1);
      assert.match(events[0] ?? '', /Error/);
    }
  });

  it('touches nothing after stop, and tells how far it came', async () => {
    const { events, applier, queue, flushed } = setUp();
    queue.push(frame(1, { durable: true }));
    await turn();
    queue.push(frame(2));
    const stopped = queue.stop();
    flushed();
    await stopped;
    queue.push(frame(3));
    await turn();
    assert.equal(applier.applied, 1);
    assert.deepEqual(events, ['flush', 'applied 1']);
  });
});
