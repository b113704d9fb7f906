import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ActivitySet, type Touched } from '../../../../replicator/apply/activity-set.ts';
import { touchedBy } from '../../../../replicator/apply/touched.ts';
import type { LogRecord } from '../../../../replicator/core/record.ts';
import { Random } from '../../../sim/timeline.ts';
import { bytes, record } from './engine.ts';

const touched = (
  directories: string[],
  files: string[] = [],
  more: Partial<Record<'created' | 'released', string[]>> = {},
): Touched => ({
  directories: directories.map(bytes),
  files: files.map(bytes),
  created: (more.created ?? []).map(bytes),
  released: (more.released ?? []).map(bytes),
});

function names(activation: ReturnType<ActivitySet['touch']>): string {
  if (activation.kind !== 'activate') return activation.kind;
  return [...activation.directories.map((path) => `${path}/`), ...activation.files].join(' ');
}

describe('the activity set', () => {
  it('names what changes once between checkpoints', () => {
    const set = new ActivitySet(10);
    assert.equal(names(set.touch(touched(['a', 'b']))), 'a/ b/');
    assert.equal(names(set.touch(touched(['b'], ['b/f']))), 'b/f');
    assert.equal(names(set.touch(touched(['a', 'b'], ['b/f']))), 'active-already');
    assert.equal(names(set.touch(touched([]))), 'active-already');
    assert.equal(set.size, 3);
  });

  it('takes new files to be covered by their folder, until the next checkpoint begins', () => {
    const set = new ActivitySet(10);
    assert.equal(names(set.touch(touched(['a'], [], { created: ['a/new'] }))), 'a/');
    assert.equal(names(set.touch(touched([], ['a/new']))), 'active-already');
    set.beginCheckpoint();
    assert.equal(names(set.touch(touched([], ['a/new']))), 'a/new');
  });

  it('does not take one file for another that has its name since', () => {
    const set = new ActivitySet(20);
    set.touch(touched(['a'], ['a/f', 'ab'], { created: ['a/new', 'a/d/x'] }));
    set.touch(touched(['a', 'b'], [], { released: ['a/new', 'a/f', 'a/d', 'a'] }));
    assert.equal(names(set.touch(touched(['a'], ['a/f', 'a/new', 'a/d/x', 'ab']))), 'a/ a/f a/new a/d/x');
  });

  it('notes everything anew from the beginning of a checkpoint, and forgets the rest at its end', () => {
    const set = new ActivitySet(10);
    set.touch(touched(['a', 'b']));
    set.beginCheckpoint();
    assert.equal(set.size, 2, 'uncertain until it has ended');
    assert.equal(names(set.touch(touched(['b', 'c']))), 'b/ c/');
    set.endCheckpoint();
    assert.equal(set.size, 2);
    assert.equal(names(set.touch(touched(['a', 'b', 'c']))), 'a/');
    assert.throws(() => set.endCheckpoint());
  });

  it('keeps all that was active when a checkpoint cannot be brought to its end', () => {
    const set = new ActivitySet(10);
    set.touch(touched(['a'], [], { created: ['a/new'] }));
    set.beginCheckpoint();
    assert.throws(() => set.beginCheckpoint());
    set.touch(touched(['b']));
    set.abandonCheckpoint();
    assert.equal(names(set.touch(touched(['a', 'b'], ['a/new']))), 'active-already');
    assert.equal(set.size, 2);
  });

  it('is bounded: wants a checkpoint at half, and refuses beyond, noting nothing', () => {
    const set = new ActivitySet(4);
    set.touch(touched(['a']));
    assert.equal(set.wantsCheckpoint, false);
    set.touch(touched(['b']));
    assert.equal(set.wantsCheckpoint, true);
    set.beginCheckpoint();
    assert.equal(set.wantsCheckpoint, false);
    set.touch(touched(['c']));
    assert.equal(set.touch(touched(['d', 'e'])).kind, 'full');
    assert.equal(set.touch(touched(['d'])).kind, 'activate', 'nothing of what was refused is noted');
    assert.equal(set.touch(touched(['c', 'd'])).kind, 'active-already', 'what is active may go on');
    assert.equal(set.touch(touched(['a'])).kind, 'full', 'before the end of the checkpoint it counts twice');
    set.endCheckpoint();
    assert.equal(set.touch(touched(['a'])).kind, 'activate');
  });

  it('never leaves a change without an active record behind the last ended checkpoint that names it', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = new Random(seed);
      const set = new ActivitySet(6);
      /** What the log has, and where the running and the last ended checkpoint began in it. */
      const log: string[] = [];
      let [began, ended] = [0, 0];
      let isRunning = false;
      /** Changed since the tree was flushed last, with certainty. */
      let dirty = new Set<string>();
      let dirtySinceBegin = new Set<string>();
      for (let step = 0; step < 80; step++) {
        if (random.chance(0.1) && !isRunning) {
          set.beginCheckpoint();
          [isRunning, began, dirtySinceBegin] = [true, log.length, new Set()];
        } else if (random.chance(0.1) && isRunning) {
          set.endCheckpoint();
          [isRunning, ended, dirty] = [false, began, dirtySinceBegin];
        }
        const path = `d${Math.floor(random.next() * 5)}`;
        const activation = set.touch(touched([path]));
        if (activation.kind === 'full') continue;
        if (activation.kind === 'activate') log.push(...activation.directories.map(String));
        dirty.add(path);
        dirtySinceBegin.add(path);
        const uncertain = new Set(log.slice(ended));
        for (const each of dirty) assert.ok(uncertain.has(each), `seed ${seed}, step ${step}: ${each}`);
      }
    }
  });
});

describe('what a record touches', () => {
  const state = {
    exists: (path: Buffer) => path.toString() === 'd/there',
    fileOf: (handle: number) => (handle === 1 ? bytes('d/open') : null),
  };
  const table: [LogRecord, string[], string[], string[], string[]][] = [
    [record.open(2, 'd/new'), ['d'], [], ['d/new'], []],
    [record.open(2, 'd/there'), [], [], [], []],
    [record.open(2, 'd/there', { truncate: true }), [], ['d/there'], [], []],
    [record.write(1, 0, 5), [], ['d/open'], [], []],
    [record.write(7, 0, 5), [], [], [], []],
    [record.setHandle(1, { mode: 0o600 }), [], ['d/open'], [], []],
    [record.close(1), [], [], [], []],
    [record.set('d/f', { mode: 0o600 }), ['d'], [], [], []],
    [record.set('d/f', { size: 0 }), ['d'], ['d/f'], [], []],
    [record.rename('d/a', 'e/b'), ['d', 'e'], [], [], ['d/a', 'e/b']],
    [record.remove('d/a'), ['d'], [], [], ['d/a']],
    [record.rmdir('d/a'), ['d'], [], [], ['d/a']],
    [record.mkdir('top'), [''], [], [], []],
    [record.symlink('d/l', 'x'), ['d'], [], [], []],
    [record.link('a/f', 'd/l'), ['d'], [], [], []],
  ];
  for (const [each, directories, files, created, released] of table) {
    it(`${each.kind} ${JSON.stringify(Object.values(each).map(String))}`, () => {
      const result = touchedBy(each, state);
      const strings = (paths: readonly Buffer[] | undefined) => (paths ?? []).map(String);
      assert.deepEqual([result.directories, result.files, result.created, result.released].map(strings), [
        directories,
        files,
        created,
        released,
      ]);
    });
  }
});
