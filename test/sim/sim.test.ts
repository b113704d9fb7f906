import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BrokenGuarantee, World } from './world.ts';

const seeds = 300;

describe('the simulator', () => {
  const start = Math.floor(Math.random() * 1e9);

  it(`lives through ${seeds} fresh stories from seed ${start} without a broken guarantee`, async () => {
    let acknowledged = 0;
    for (let seed = start; seed < start + seeds; seed++) {
      const world = new World(seed);
      try {
        acknowledged += (await world.run()).acknowledged;
      } catch (error) {
        if (!(error instanceof BrokenGuarantee)) throw error;
        assert.fail(`npm run sim -- --seed ${seed}\n${error.message}\n${world.story.slice(-20).join('\n')}`);
      }
    }
    assert.ok(acknowledged > seeds * 100, 'clients got hardly anything done: the model does not work');
  });
});
