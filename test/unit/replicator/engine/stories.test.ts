import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EngineStory } from './engine-story.ts';

const stories = Number(process.env.STORIES ?? 6);
const first = Number(process.env.SEED ?? Date.now() % 1_000_000);

describe('two engines, joined by their sessions', () => {
  const counts: Record<string, number> = {};

  for (let seed = first; seed < first + stories; seed++) {
    it(`doubt what differs, lose nothing acknowledged, and end equal (SEED=${seed})`, async () => {
      const story = new EngineStory(seed);
      try {
        await story.run(400);
      } catch (error) {
        if (process.env.TELL) console.log(story.told.slice(-Number(process.env.TELL)).join('\n'));
        throw error;
      }
      for (const [what, count] of Object.entries(story.counts)) counts[what] = (counts[what] ?? 0) + count;
    });
  }

  it('had something to tell', () => {
    if (process.env.TELL) console.log(counts);
    assert.ok(
      (counts.promotions ?? 0) > stories && (counts.kills ?? 0) > 0 && (counts.acknowledged ?? 0) > 0,
    );
  });
});
