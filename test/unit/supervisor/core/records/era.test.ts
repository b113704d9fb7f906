import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { epochBaseOf, eraAfter } from '../../../../../supervisor/core/records/era.ts';

describe('the era after an epoch', () => {
  it('has larger epochs only, and is the first that has', () => {
    for (const epoch of [0, 1, 999_999_999, 1_000_000_000, 1_000_000_001, 2_500_000_000]) {
      const era = eraAfter(epoch);
      assert.ok(epochBaseOf(era) > epoch, `${epoch}`);
      assert.ok(epochBaseOf(era - 1) <= epoch, `${epoch}`);
    }
  });
});
