import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Ticker } from '../../../../supervisor/runtime/ticker.ts';

describe('the ticks by which deadlines are judged', () => {
  const begin = () => {
    const told: string[] = [];
    const polls: (() => void)[] = [];
    const clock = { at: 1000, bootTimeMs: () => clock.at, wallTimeIso: () => '' };
    const timers = {
      after: () => () => {},
      every: () => () => {},
      afterFullPoll: (run: () => void) => polls.push(run),
    };
    const ticker = new Ticker({ everyMs: 50, clock, timers, tick: () => told.push('tick') });
    return { told, polls, clock, ticker };
  };

  it('come at once while the loop is punctual', () => {
    const { told, clock, ticker } = begin();
    for (let count = 0; count < 3; count++) {
      clock.at += 60;
      ticker.tick();
    }
    assert.equal(told.length, 3);
  });

  it('come after what lay unread when the loop stood still', () => {
    const { told, polls, clock, ticker } = begin();
    clock.at += 2600;
    ticker.tick();
    ticker.tick();
    assert.deepEqual([told, polls.length], [[], 1]);
    told.push('renewed');
    polls[0]?.();
    assert.deepEqual(told, ['renewed', 'tick']);
    clock.at += 50;
    ticker.tick();
    assert.deepEqual(told, ['renewed', 'tick', 'tick']);
  });

  it('are punctual again after a poll that took long itself', () => {
    const { told, polls, clock, ticker } = begin();
    clock.at += 2600;
    ticker.tick();
    clock.at += 2000;
    polls[0]?.();
    clock.at += 50;
    ticker.tick();
    assert.deepEqual([told, polls.length], [['tick', 'tick'], 1]);
  });
});
