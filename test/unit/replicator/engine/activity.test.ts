import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { LocalRecord } from '../../../../replicator/core/local-record.ts';
import { Activity } from '../../../../replicator/engine/activity.ts';
import { encodeState, NotedState } from '../../../../replicator/engine/checkpoint-state.ts';

describe('what is named before it changes', () => {
  let done: string[];
  let records: LocalRecord[];
  let isFull: boolean;

  beforeEach(() => {
    done = [];
    records = [];
    isFull = false;
  });

  const at = (path: string) => Buffer.from(path);
  const newActivity = (maxActive = 100) =>
    new Activity(
      {
        append: (appended) => {
          if (isFull) throw new Error('full');
          records.push(...appended);
          done.push(...appended.map(({ kind }) => kind));
        },
        flushNow: () => done.push('flush'),
      },
      maxActive,
      null,
      0,
    );
  const active = () => {
    const state = new NotedState(encodeState(records), new Map());
    const { directories, files, trees } = state.active;
    return [...directories, ...files, ...trees].map(String).sort();
  };

  it('is flushed before the first change, and once', () => {
    const activity = newActivity();
    activity.names('d');
    activity.names('d');
    activity.file(() => ['d/x', 'y']);
    assert.deepEqual(done, ['active', 'flush', 'active', 'flush']);
    assert.deepEqual(active(), ['d', 'd/x', 'y']);
  });

  it('is not flushed again when it was named ahead', () => {
    const activity = newActivity();
    assert.equal(
      activity.prepare({ directories: [at('d')], files: [], trees: [at('d/1'), at('d/2')] }),
      true,
    );
    activity.names('d');
    activity.moves('d/1', 'd/2');
    assert.deepEqual(done, ['active']);
    activity.moves('d/1', 'd/2');
    assert.deepEqual(done, ['active', 'active', 'flush']);
  });

  it('is named again when the log had no room for it', () => {
    const activity = newActivity();
    isFull = true;
    assert.throws(() => activity.names('d'), /full/);
    isFull = false;
    activity.names('d');
    assert.deepEqual(active(), ['d']);
  });

  it('is everything when it is too much, until a checkpoint has ended', async () => {
    const activity = newActivity(2);
    for (const name of ['1', '2', '3', '4']) activity.names(name);
    assert.deepEqual(done, ['active', 'flush', 'active', 'flush', 'active', 'flush']);
    assert.ok(active().includes(''));
    activity.begin();
    await activity.end(async () => {});
    activity.names('1');
    assert.deepEqual(active(), ['1']);
    assert.deepEqual(activityNames(activity), ['1']);
  });

  it('is what it was before a checkpoint that did not end', async () => {
    const activity = newActivity();
    activity.names('1');
    activity.moves('1/a', '1/b');
    activity.begin();
    activity.names('2');
    assert.deepEqual(active(), ['1', '1/a', '1/b', '2']);
    activity.abandon();
    assert.deepEqual(activityNames(activity), ['1', '1/a', '1/b', '2']);
    activity.begin();
    activity.names('3');
    await activity.end(async () => {});
    assert.deepEqual(active(), ['3']);
    assert.deepEqual(activityNames(activity), ['3']);
  });

  /** As a segment of the log says it again. */
  function activityNames(activity: Activity): string[] {
    const { directories, files, trees } = new NotedState(encodeState(activity.state), new Map()).active;
    return [...directories, ...files, ...trees].map(String).sort();
  }
});
