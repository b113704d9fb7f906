import assert from 'node:assert/strict';
import { it } from 'node:test';
import { vipLifetimeSeconds } from '../../../../supervisor/config/timing.ts';

it('gives the address a lifetime that ends, with the kernel being late, before the lease does (G2)', () => {
  const kernelLatenessMs = 400;
  for (let leftMs = -1000; leftMs < 10_000; leftMs += 7) {
    const seconds = vipLifetimeSeconds(50_000 + leftMs, 50_000);
    assert.ok(Number.isInteger(seconds) && seconds >= 0);
    if (seconds > 0)
      assert.ok(seconds * 1000 + kernelLatenessMs < leftMs, `${seconds} s in a lease of ${leftMs} ms`);
  }
  assert.equal(vipLifetimeSeconds(3000, 10), 2, 'the default lease gives two seconds');
});
