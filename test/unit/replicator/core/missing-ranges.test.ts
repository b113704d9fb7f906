import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MissingRanges } from '../../../../replicator/core/missing-ranges.ts';
import { Random } from '../../../sim/timeline.ts';

const size = 24;

/** Byte by byte: since when each is missing. */
class Bytes {
  readonly since = new Array<number | null>(size).fill(null);

  set(from: number, to: number, since: number | null): void {
    for (let at = from; at < Math.min(to, size); at++) this.since[at] = since;
  }
}

function bytesOf(missing: MissingRanges): (number | null)[] {
  const bytes = new Bytes();
  for (const { from, to, since } of missing.ranges) bytes.set(from, to, since);
  return bytes.since;
}

describe('missing ranges', () => {
  it('are what a list of bytes says, whatever is added and removed', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = new Random(seed);
      const missing = new MissingRanges();
      const bytes = new Bytes();
      for (let step = 1; step <= 40; step++) {
        const from = random.below(size);
        const to = random.chance(0.1) ? Number.MAX_SAFE_INTEGER : from + random.below(size - from + 1);
        if (random.chance(0.6)) {
          const end = Math.min(to, size);
          missing.add(from, end, step);
          bytes.set(from, end, step);
        } else {
          missing.remove(from, to);
          bytes.set(from, to, null);
        }
        assert.deepEqual(bytesOf(missing), bytes.since, `seed ${seed}, step ${step}`);
        assert.equal(
          missing.isEmpty,
          bytes.since.every((since) => since === null),
        );
        assert.equal(missing.bytes, bytes.since.filter((since) => since !== null).length);
      }
      const { ranges } = missing;
      for (const [index, { from, to, since }] of ranges.entries()) {
        const next = ranges[index + 1];
        assert.ok(
          from < to && (next === undefined || to < next.from || (to === next.from && since !== next.since)),
        );
      }
    }
  });

  it('tell which parts were missing at a sequence already', () => {
    const missing = new MissingRanges();
    missing.add(0, 10, 5);
    missing.add(4, 6, 9);
    assert.deepEqual(missing.within(2, 20, 7), [
      { from: 2, to: 4, since: 5 },
      { from: 6, to: 10, since: 5 },
    ]);
    assert.deepEqual(missing.within(4, 6, 8), []);
    assert.deepEqual(missing.within(4, 6, 9), [{ from: 4, to: 6, since: 9 }]);
  });

  it('count from the common point when the records after it are no more', () => {
    const missing = new MissingRanges();
    missing.add(0, 4, 5);
    missing.add(4, 8, 9);
    missing.forgetSequences(7);
    assert.deepEqual(
      missing.within(0, 8, 7).map(({ since }) => since),
      [5, 7],
    );
  });

  it('say what may be right all the same, until it was compared', () => {
    const missing = new MissingRanges([{ from: 0, to: 10, since: 3, mayBeSame: true }]);
    missing.add(8, 12, 4);
    missing.expectDifferent(2, 9);
    assert.deepEqual(missing.ranges, [
      { from: 0, to: 2, since: 3, mayBeSame: true },
      { from: 2, to: 8, since: 3 },
      { from: 8, to: 12, since: 4 },
    ]);
  });
});
