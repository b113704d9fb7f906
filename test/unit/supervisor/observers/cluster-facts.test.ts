import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ClusterFacts } from '../../../../supervisor/observers/cluster-facts.ts';
import { leaderOf, liveNode, view } from '../core/leadership/host.ts';

describe('what a host makes of the records of the others', () => {
  let now = 1_000_000;
  const factsOf = (facts: ClusterFacts) => facts.facts.map(({ code, detail }) => `${code}: ${detail}`);
  const withClock = (wallClockMs: number) => view({ nodes: [liveNode('a'), liveNode('b', { wallClockMs })] });

  it('leaves it to the leader to say that nobody could take over', () => {
    const facts = new ClusterFacts('a', () => now);
    const full = { ineligible: [{ code: 'DISK_LOW', sentence: 'full' }] };
    const nodes = [liveNode('a'), liveNode('b', full)];
    facts.onView(view({ leader: leaderOf('b', 200), nodes }));
    assert.deepEqual(factsOf(facts), []);
    facts.onView(view({ leader: leaderOf('a', 210), nodes }));
    assert.match(factsOf(facts).join(), /^NO_SUCCESSOR/);
  });

  it('finds a clock that is ahead, by what it is at least', () => {
    const facts = new ClusterFacts('a', () => now);
    facts.onView(withClock(now + 12_400));
    assert.deepEqual(factsOf(facts), [
      'CLOCK_DIFFERS: the clock of b is at least 12 s ahead of the clock of this host',
    ]);
  });

  it('takes nothing from a record that was written long ago, or is read late', () => {
    const facts = new ClusterFacts('a', () => now);
    facts.onView(withClock(now - 60_000));
    assert.deepEqual(facts.facts, []);
    // The same record again, later: it says no more than at first.
    const stamp = now + 5000;
    facts.onView(withClock(stamp));
    now += 20_000;
    facts.onView(withClock(stamp));
    assert.match(factsOf(facts)[0] ?? '', /at least 5 s/);
  });

  it('goes by the newest, and forgets a host that is away', () => {
    const facts = new ClusterFacts('a', () => now);
    facts.onView(withClock(now + 5000));
    facts.onView(withClock(now + 100));
    assert.deepEqual(facts.facts, []);
    facts.onView(withClock(now + 5000));
    facts.onView(view({ nodes: [liveNode('a')] }));
    assert.deepEqual(facts.facts, []);
  });

  it('knows nothing of a host that does not tell its clock, as one of an older release', () => {
    const facts = new ClusterFacts('a', () => now);
    facts.onView(view({ nodes: [liveNode('a', { wallClockMs: now + 90_000 }), liveNode('b')] }));
    assert.deepEqual(facts.facts, []);
  });

  it('finds on the leader, and there alone, that nobody could take over', () => {
    const unable = liveNode('b', { ineligible: [{ code: 'NOT_IN_SYNC', sentence: '' }] });
    const alone = view({ leader: leaderOf('a', 5), nodes: [liveNode('a'), unable] });
    const onLeader = new ClusterFacts('a', () => now);
    onLeader.onView(alone);
    assert.deepEqual(factsOf(onLeader), [
      'NO_SUCCESSOR: no host could take over from a: if it died now, nobody would serve',
    ]);
    const onStandby = new ClusterFacts('b', () => now);
    onStandby.onView(alone);
    assert.deepEqual(onStandby.facts, []);
    onLeader.onView(view({ leader: leaderOf('a', 5), nodes: [liveNode('a'), liveNode('b')] }));
    assert.deepEqual(onLeader.facts, []);
  });
});
