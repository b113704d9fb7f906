import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Pulse } from '../../../../replicator/thread/pulse.ts';

describe('the pulse of the engine’s thread', () => {
  it('tells for how long its loop has stood still, and nothing of short pauses', () => {
    const clock = { now: 0 };
    const pulse = new Pulse(() => clock.now);
    const beat = () => Atomics.add(new Int32Array(pulse.memory), 0, 1);
    for (; clock.now < 1000; clock.now += 50) {
      beat();
      pulse.look();
    }
    clock.now += 250;
    assert.equal(pulse.silentMs, 0);
    clock.now += 1000;
    assert.ok(pulse.silentMs >= 1200, `${pulse.silentMs}`);
    beat();
    assert.equal(pulse.silentMs, 0);
  });
});
