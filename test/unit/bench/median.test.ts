import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { median } from '../../bench/median.ts';

describe('the median', () => {
  it('is the one in the middle, or the mean of two, by their size', () => {
    assert.equal(median([10, 9, 100]), 10);
    assert.equal(median([100, 9, 10, 20]), 15);
    assert.equal(median([7]), 7);
    assert.equal(median([]), Number.NaN);
  });

  it('leaves the numbers in their order', () => {
    const numbers = [3, 1, 2];
    median(numbers);
    assert.deepEqual(numbers, [3, 1, 2]);
  });
});
