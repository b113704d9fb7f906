import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KnownSources } from '../../../sftp-node/known-sources.ts';

const day = 24 * 3_600_000;

describe('known sources', () => {
  it('are those that logged in within the last week', () => {
    const clock = { now: 0 };
    const known = new KnownSources(() => clock.now);
    assert.equal(known.has('a'), false);
    known.loggedIn('a');
    clock.now = 6 * day;
    assert.equal(known.has('a'), true);
    known.loggedIn('a');
    clock.now = 12 * day;
    assert.equal(known.has('a'), true);
    clock.now = 13 * day;
    assert.equal(known.has('a'), false);
  });

  it('are so many at most: who logged in longest ago is forgotten', () => {
    const known = new KnownSources(() => 0);
    known.loggedIn('first');
    for (let count = 0; count < 9_999; count++) known.loggedIn(`source ${count}`);
    known.loggedIn('first');
    known.loggedIn('one more');
    assert.equal(known.has('first'), true);
    assert.equal(known.has('source 0'), false);
    assert.equal(known.has('source 1'), true);
  });
});
