import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PeerStory } from './story.ts';

const seeds = 150;

describe('the sessions between a leader and its followers', () => {
  it('lead to equal trees, and doubt what differs until then, whatever happens to connections and hosts', async () => {
    const counts: Record<string, number> = {};
    for (let seed = 1; seed <= seeds; seed++) {
      const story = new PeerStory(seed);
      await assert.doesNotReject(story.run(), `seed ${seed}`);
      for (const { counts: more } of story.engines) {
        for (const [what, count] of Object.entries(more)) counts[what] = (counts[what] ?? 0) + count;
      }
    }
    // All that the protocol can do was done in them.
    for (const [what, count] of Object.entries(counts)) assert.ok(count > 0, what);
  });
});
