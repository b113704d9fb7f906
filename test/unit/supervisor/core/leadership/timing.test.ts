import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { timingOf } from '../../../../../supervisor/core/leadership/timing.ts';

describe('the durations of a host whose address is moved by a command', () => {
  it('are longer by what the command may take, and by three tries of it where it is tried again', () => {
    const lease = { ttl: 3000, margin: 500 };
    const [kernel, command] = [timingOf(lease), timingOf(lease, 4000)];
    assert.equal(command.promotionLimitMs - kernel.promotionLimitMs, 4000);
    assert.equal(command.vipRemovalLimitMs - kernel.vipRemovalLimitMs, 3 * 4000);
    assert.deepEqual([kernel.vipCommandMs, command.vipCommandMs], [0, 4000]);
  });
});
