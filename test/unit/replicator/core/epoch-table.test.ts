import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  commonPoint,
  epochAt,
  type History,
  tableFrom,
  tableUpTo,
} from '../../../../replicator/core/epoch-table.ts';
import { type EpochTable, type LogPosition, logStart } from '../../../../replicator/core/position.ts';
import { Random } from '../../../sim/timeline.ts';

/** The epoch of each record, from sequence 1 on. */
type Log = readonly number[];

function historyOf(log: Log): History {
  const table: EpochTable = log.flatMap((epoch, index) =>
    log[index - 1] === epoch ? [] : [{ epoch, first: index + 1 }],
  );
  return { table, end: { epoch: log.at(-1) ?? 0, sequence: log.length } };
}

/** What is asked for, from the logs themselves. */
function sharedPrefix(a: Log, b: Log): LogPosition {
  let sequence = 0;
  while (sequence < Math.min(a.length, b.length) && a[sequence] === b[sequence]) sequence += 1;
  return sequence === 0 ? logStart : { epoch: a[sequence - 1] ?? 0, sequence };
}

/** Hosts copy prefixes of one another's logs, cut what is not shared, and lead under ever new epochs. */
function randomLogs(random: Random): Log[] {
  const logs: number[][] = [[], [], []];
  for (let epoch = 1; epoch < 2 + random.next() * 8; epoch += 1) {
    const leader = random.pick(logs);
    for (let count = random.next() * 5; count >= 0; count -= 1) leader.push(epoch);
    for (const [index, follower] of logs.entries()) {
      if (follower === leader || random.chance(0.4)) continue;
      const shared = sharedPrefix(follower, leader).sequence;
      logs[index] = leader.slice(0, Math.max(shared, Math.floor(random.next() * (leader.length + 1))));
    }
  }
  return logs;
}

describe('the common point of two logs', () => {
  it('is the end of what they share, in any story', () => {
    const random = new Random(11);
    let diverged = 0;
    for (let round = 0; round < 20_000; round += 1) {
      const [a = [], b = []] = randomLogs(random);
      const expected = sharedPrefix(a, b);
      if (expected.sequence < Math.min(a.length, b.length)) diverged += 1;
      assert.deepEqual(commonPoint(historyOf(a), historyOf(b)), expected, `${a} and ${b}`);
      assert.deepEqual(commonPoint(historyOf(b), historyOf(a)), expected, `${b} and ${a}`);
    }
    assert.ok(diverged > 1000, `${diverged} had branches`);
  });

  it('is never further than what they share when old leaderships are forgotten', () => {
    const random = new Random(12);
    let found = 0;
    for (let round = 0; round < 20_000; round += 1) {
      const [a = [], b = []] = randomLogs(random);
      const start = Math.floor(random.next() * (a.length + 1));
      const whole = historyOf(a);
      const short = { ...whole, table: tableFrom(whole.table, { epoch: 0, sequence: start }) };
      const point = commonPoint(short, historyOf(b));
      const expected = sharedPrefix(a, b);
      if (point === null) assert.ok(expected.sequence < start || expected.sequence === 0);
      else assert.deepEqual(point, expected);
      if (point !== null && short.table.length < whole.table.length) found += 1;
    }
    assert.ok(found > 100);
  });

  it('does not come from comparing positions: the host with the higher one may hold the branch', () => {
    // Epoch 2 wrote nothing that the other has; 1/5 is common although both ends are beyond.
    const mine = historyOf([1, 1, 1, 1, 1, 2, 2, 2, 2]);
    const theirs = historyOf([1, 1, 1, 1, 1, 1, 3]);
    assert.deepEqual(commonPoint(mine, theirs), { epoch: 1, sequence: 5 });
  });

  it('is not known when no leadership is shared and the beginning is gone', () => {
    const table = [{ epoch: 7, first: 100 }];
    const mine = { table, end: { epoch: 7, sequence: 120 } };
    assert.equal(commonPoint(mine, historyOf([1, 2, 3])), null);
    assert.deepEqual(commonPoint(historyOf([1]), historyOf([2])), logStart);
    assert.deepEqual(commonPoint(historyOf([]), historyOf([2])), logStart);
    // A log that was begun at a position has no leadership of before.
    assert.equal(commonPoint({ table: [], end: { epoch: 3, sequence: 9 } }, historyOf([2])), null);
  });

  it('does not trust a leadership that began elsewhere', () => {
    const mine = historyOf([1, 1, 2]);
    const theirs = historyOf([1, 2, 2]);
    assert.deepEqual(commonPoint(mine, theirs), { epoch: 1, sequence: 1 });
  });
});

describe('an epoch table', () => {
  const { table } = historyOf([2, 2, 5, 5, 5, 9]);

  it('is cut with its log', () => {
    assert.deepEqual(tableUpTo(table, { epoch: 5, sequence: 3 }), table.slice(0, 2));
    assert.deepEqual(tableUpTo(table, { epoch: 2, sequence: 2 }), table.slice(0, 1));
    assert.deepEqual(tableUpTo(table, logStart), []);
    assert.deepEqual(tableFrom(table, { epoch: 5, sequence: 4 }), table.slice(1));
    assert.deepEqual(tableFrom(table, { epoch: 2, sequence: 2 }), table);
    assert.deepEqual(tableFrom(table, logStart), table);
  });

  it('knows the leadership of a sequence', () => {
    assert.deepEqual(
      [0, 1, 2, 3, 5, 6, 99].map((sequence) => epochAt(table, sequence)),
      [0, 2, 2, 5, 5, 9, 9],
    );
  });
});
