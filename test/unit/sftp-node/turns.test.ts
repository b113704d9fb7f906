import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as settled } from 'node:timers/promises';
import { Turns } from '../../../sftp-node/auth/turns.ts';

describe('turns', () => {
  /** Who has begun, in order, and what ends each. */
  function scene(limits = { running: 2, memoryKib: 100 }) {
    const turns = new Turns(limits);
    const begun: string[] = [];
    const ends = new Map<string, () => void>();
    const abandoned: string[] = [];
    const arrive = (name: string, { memoryKib = 1, source = name } = {}) => {
      const closed = new AbortController();
      void turns.acquire(memoryKib, source, closed.signal).then((release) => {
        if (release === null) abandoned.push(name);
        else {
          begun.push(name);
          ends.set(name, release);
        }
      });
      return closed;
    };
    const end = async (name: string) => {
      ends.get(name)?.();
      await settled();
    };
    return { arrive, begun, end, abandoned };
  }

  it('come to two at once, and to the others in their order, however many wait', async () => {
    const { arrive, begun, end } = scene();
    const names = Array.from({ length: 500 }, (_, index) => `${index}`);
    for (const name of names) arrive(name);
    await settled();
    assert.deepEqual(begun, ['0', '1']);
    for (const name of names) await end(name);
    assert.deepEqual(begun, names);
  });

  it('go round the sources: a crowd from one delays another by one', async () => {
    const { arrive, begun, end } = scene({ running: 1, memoryKib: 100 });
    for (let index = 0; index < 20; index++) arrive(`crowd ${index}`, { source: 'crowd' });
    arrive('alone');
    await settled();
    await end('crowd 0');
    await end('crowd 1');
    assert.deepEqual(begun, ['crowd 0', 'crowd 1', 'alone']);
  });

  it('are not waited for by whoever is gone', async () => {
    const { arrive, begun, end, abandoned } = scene({ running: 1, memoryKib: 100 });
    arrive('first');
    const second = arrive('second');
    arrive('third');
    second.abort();
    await settled();
    assert.deepEqual(abandoned, ['second']);
    await end('first');
    assert.deepEqual(begun, ['first', 'third']);
    const late = arrive('late');
    late.abort();
    arrive('gone').abort();
    await end('third');
    assert.deepEqual(begun, ['first', 'third']);
    arrive('last');
    await settled();
    assert.deepEqual(begun, ['first', 'third', 'last'], 'the place was not lost');
  });

  it('are given within the memory, and the large ones come to theirs', async () => {
    const { arrive, begun, end } = scene({ running: 3, memoryKib: 100 });
    arrive('60', { memoryKib: 60 });
    arrive('100', { memoryKib: 100 });
    arrive('10', { memoryKib: 10 });
    await settled();
    assert.deepEqual(begun, ['60'], 'nobody overtakes');
    await end('60');
    assert.deepEqual(begun, ['60', '100']);
    await end('100');
    assert.deepEqual(begun, ['60', '100', '10']);
  });

  it('pass on when the large one that held up the others leaves', async () => {
    const { arrive, begun } = scene({ running: 3, memoryKib: 100 });
    arrive('60', { memoryKib: 60 });
    const large = arrive('100', { memoryKib: 100 });
    arrive('10', { memoryKib: 10 });
    large.abort();
    await settled();
    assert.deepEqual(begun, ['60', '10']);
  });
});
