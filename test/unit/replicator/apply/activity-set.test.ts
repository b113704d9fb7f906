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

  it('names a directory that moves with all below it, each time', () => {
    const set = new ActivitySet(10);
    const moving = { ...touched(['a', 'b']), trees: [bytes('a/d'), bytes('b/d')] };
    for (const directories of [['a', 'b'], []]) {
      const activation = set.touch(moving);
      assert.ok(activation.kind === 'activate');
      assert.deepEqual(activation.directories.map(String), directories);
      assert.deepEqual(activation.trees.map(String), ['a/d', 'b/d']);
    }
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
  const before = {
    isDirectory: (path: Buffer) => path.toString() === 'd/dir',
    namesOf: (handle: number) => (handle === 1 ? [bytes('d/open'), bytes('e/same')] : []),
  };
  const others = { otherNames: [bytes('e/same')] };
  const none = { directories: [], files: [], created: [], trees: [], released: [] };
  const table: [LogRecord, Partial<Record<keyof Touched, string[]>>][] = [
    [record.open(2, 'd/new'), { directories: ['d'], created: ['d/new'] }],
    [record.open(2, 'd/there', { created: false }), {}],
    [
      { ...record.open(2, 'd/there', { created: false, truncate: true }), ...others },
      { files: ['d/there', 'e/same'] },
    ],
    [record.write(1, 0, 5), { files: ['d/open', 'e/same'] }],
    [record.write(7, 0, 5), {}],
    [record.setHandle(1, { mode: 0o600 }), { files: ['d/open', 'e/same'] }],
    [record.close(1), {}],
    [{ ...record.set('d/f', { mode: 0o600 }), ...others }, { directories: ['d', 'e'] }],
    [
      { ...record.set('d/f', { size: 0 }), ...others },
      { directories: ['d', 'e'], files: ['d/f', 'e/same'] },
    ],
    [record.rename('d/a', 'e/b'), { directories: ['d', 'e'], released: ['d/a', 'e/b'] }],
    [
      record.rename('d/dir', 'e/b'),
      { directories: ['d', 'e'], trees: ['d/dir', 'e/b'], released: ['d/dir', 'e/b'] },
    ],
    [record.remove('d/a'), { directories: ['d'], released: ['d/a'] }],
    [record.rmdir('d/a'), { directories: ['d'], released: ['d/a'] }],
    [record.mkdir('top'), { directories: [''] }],
    [record.symlink('d/l', 'x'), { directories: ['d'] }],
    [record.link('a/f', 'd/l'), { directories: ['d'] }],
  ];
  for (const [index, [each, expected]] of table.entries()) {
    it(`${index + 1}: ${each.kind}`, () => {
      const result: Touched = { ...none, ...touchedBy(each, before) };
      const shown = Object.fromEntries(
        Object.entries(result).map(([key, paths]: [string, readonly Buffer[]]) => [key, paths.map(String)]),
      );
      assert.deepEqual(shown, { ...none, ...expected });
    });
  }
});
