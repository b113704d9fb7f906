import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  latestVipStartMs,
  vipCommandLimitMs,
  vipLifetimeSeconds,
} from '../../../../supervisor/config/timing.ts';

it('gives the address a lifetime that ends before the lease, with kernel and command as late as they may be (G2)', () => {
  const kernelLatenessMs = 400;
  for (let leftMs = -1000; leftMs < 10_000; leftMs += 7) {
    const seconds = vipLifetimeSeconds(50_000 + leftMs, 50_000);
    assert.ok(Number.isInteger(seconds) && seconds >= 0);
    if (seconds === 0) continue;
    const deadlineMs = latestVipStartMs(seconds, 50_000 + leftMs);
    assert.ok(
      deadlineMs - 50_000 >= vipCommandLimitMs,
      `no time for ${seconds} s in a lease of ${leftMs} ms`,
    );
    assert.ok(deadlineMs + seconds * 1000 + kernelLatenessMs <= 50_000 + leftMs);
  }
  assert.equal(vipLifetimeSeconds(3000, 10), 2, 'the default lease gives two seconds');
});
