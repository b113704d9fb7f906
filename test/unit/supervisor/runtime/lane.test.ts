import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pino from 'pino';
import { Lane } from '../../../../supervisor/runtime/lane.ts';

const quiet = pino({ level: 'silent' });
const settle = () => new Promise((resolve) => setImmediate(resolve));

function setUp() {
  const clock = { now: 0 };
  const done: string[] = [];
  const lane = new Lane('test', quiet, () => clock.now);
  const task = (key: string, repeatAfterMs = Number.POSITIVE_INFINITY) => ({
    key,
    repeatAfterMs,
    run: async () => {
      done.push(key);
    },
  });
  return { clock, done, lane, task };
}

describe('a lane', () => {
  it('does once what is wanted again and again', async () => {
    const { done, lane, task } = setUp();
    for (let turn = 0; turn < 5; turn++) {
      lane.want(task('on'));
      await settle();
    }
    assert.deepEqual(done, ['on']);
  });

  it('does it again after it was not wanted for a while', async () => {
    const { done, lane, task } = setUp();
    lane.want(task('on'));
    await settle();
    lane.want(null);
    lane.want(task('on'));
    await settle();
    assert.deepEqual(done, ['on', 'on']);
  });

  it('runs one at a time, and of those that came meanwhile only the last', async () => {
    const { done, lane, task } = setUp();
    lane.want(task('first'));
    lane.want(task('second'));
    lane.want(task('third'));
    assert.deepEqual(done, ['first']);
    await settle();
    assert.deepEqual(done, ['first', 'third']);
  });

  it('does not begin what was to come next and is not wanted any more', async () => {
    const { done, lane, task } = setUp();
    lane.want(task('first'));
    lane.want(task('second'));
    lane.want(null);
    await settle();
    assert.deepEqual(done, ['first']);
  });

  it('tries again what failed, after a pause, for as long as it is wanted', async () => {
    const { clock, lane } = setUp();
    let tries = 0;
    const failing = {
      key: 'on',
      repeatAfterMs: Number.POSITIVE_INFINITY,
      run: () => {
        tries += 1;
        throw new Error('no');
      },
    };
    lane.want(failing);
    await settle();
    lane.want(failing);
    await settle();
    assert.equal(tries, 1, 'not at once');
    clock.now += 1000;
    lane.want(failing);
    await settle();
    assert.equal(tries, 2);
  });

  it('repeats what is to be repeated', async () => {
    const { clock, done, lane, task } = setUp();
    lane.want(task('claim', 300));
    await settle();
    clock.now += 299;
    lane.want(task('claim', 300));
    await settle();
    assert.equal(done.length, 1);
    clock.now += 1;
    lane.want(task('claim', 300));
    await settle();
    assert.equal(done.length, 2);
  });

  it('looks soon again at what is still under way, and not when it is done', async () => {
    const { clock, lane } = setUp();
    const answers = [false, true, true];
    let looks = 0;
    const task = { key: 'move', repeatAfterMs: Infinity, run: async () => answers[looks++] === true };
    for (let turn = 0; turn < 6; turn++) {
      lane.want(task);
      await settle();
      clock.now += 30;
    }
    assert.equal(looks, 2);
  });

  it('gives up what does not end, says so, and does what is wanted next', async () => {
    const { clock, done, lane, task } = setUp();
    const told: string[] = [];
    const hanging = {
      ...task('hang'),
      run: () => new Promise<void>(() => {}),
      onOverdue: () => told.push('overdue'),
    };
    lane.want(hanging);
    clock.now += 19_000;
    lane.want(task('after'));
    await settle();
    assert.deepEqual([done, told], [[], []]);
    clock.now += 1000;
    lane.want(task('after'));
    await settle();
    assert.deepEqual([done, told], [['after'], ['overdue']]);
  });

  it('lets the late end of what was given up change nothing', async () => {
    const { clock, done, lane, task } = setUp();
    const { promise, resolve } = Promise.withResolvers<void>();
    const late: boolean[] = [];
    const run = async (attempt: { isOverdue: boolean }) => {
      await promise;
      late.push(attempt.isOverdue);
    };
    lane.want({ ...task('slow'), run });
    clock.now += 20_000;
    lane.want(task('after'));
    await settle();
    resolve();
    await settle();
    lane.want(task('after'));
    await settle();
    assert.deepEqual([done, late], [['after'], [true]]);
  });

  it('does not begin more and more of what hangs', async () => {
    const { clock, lane, task } = setUp();
    const { promise, resolve } = Promise.withResolvers<void>();
    let begun = 0;
    const hanging = {
      ...task('hang'),
      run: () => {
        begun += 1;
        return promise;
      },
    };
    for (let turn = 0; turn < 10; turn++) {
      lane.want(hanging);
      clock.now += 20_000;
    }
    assert.equal(begun, 3);
    resolve();
    await settle();
    lane.want(hanging);
    assert.equal(begun, 4, 'once they have ended');
  });
});
