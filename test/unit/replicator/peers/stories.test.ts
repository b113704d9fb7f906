import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PeerStory } from './story.ts';

describe('the sessions between a leader and its followers', () => {
  it('lead to equal trees, and doubt what differs until then, whatever happens to connections and hosts', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const story = new PeerStory(seed);
      await assert.doesNotReject(story.run(), `seed ${seed}`);
    }
  });
});
