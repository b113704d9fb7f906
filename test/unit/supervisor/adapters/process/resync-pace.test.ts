import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ResyncPace } from '../../../../../supervisor/adapters/process/resync-pace.ts';

const lacking = (missingBytes: number, comparedBytes: number) => ({
  uncertainNames: 2,
  incompleteFiles: 3,
  missingBytes,
  comparedBytes,
});

describe('the pace of a resync', () => {
  it('is not known within the first second, and then says how long it takes', () => {
    const pace = new ResyncPace();
    assert.equal(pace.report, null);
    pace.observe(lacking(10_000, 500), 0);
    pace.observe(lacking(9900, 600), 900);
    assert.deepEqual(pace.report, {
      uncertainNames: 2,
      incompleteFiles: 3,
      missingBytes: 9900,
      bytesPerSecond: null,
      secondsLeft: null,
    });
    pace.observe(lacking(8500, 2500), 2000);
    const { bytesPerSecond, secondsLeft } = pace.report ?? {};
    assert.deepEqual([bytesPerSecond, secondsLeft], [1000, 9]);
  });

  it('is that of the last seconds', () => {
    const pace = new ResyncPace();
    for (let second = 0; second <= 60; second++) {
      pace.observe(lacking(5000, Math.min(second, 40) * 1000), second * 1000);
      if (second === 40) assert.equal(pace.report?.bytesPerSecond, 1000);
    }
    assert.deepEqual([pace.report?.bytesPerSecond, pace.report?.secondsLeft], [0, null]);
  });

  it('begins anew with another process, and ends with the resync', () => {
    const pace = new ResyncPace();
    pace.observe(lacking(100, 5000), 0);
    pace.observe(lacking(100, 9000), 4000);
    pace.observe(lacking(100, 10), 5000);
    assert.equal(pace.report?.bytesPerSecond, null);
    pace.observe(lacking(100, 20), 6000);
    assert.equal(pace.report?.bytesPerSecond, 10);
    pace.observe(null, 7000);
    assert.equal(pace.report, null);
  });

  it('begins anew with another resync of the same process', () => {
    const pace = new ResyncPace();
    for (const atMs of [0, 2000, 4000]) pace.observe(lacking(9000, atMs), atMs);
    assert.equal(pace.report?.bytesPerSecond, 1000);
    pace.observe(null, 5000);
    pace.observe(lacking(9000, 4000), 8000);
    assert.deepEqual([pace.report?.bytesPerSecond, pace.report?.secondsLeft], [null, null]);
    pace.observe(lacking(8700, 4300), 9000);
    assert.deepEqual([pace.report?.bytesPerSecond, pace.report?.secondsLeft], [300, 29]);
  });
});
