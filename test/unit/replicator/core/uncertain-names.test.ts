import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Scope } from '../../../../replicator/core/record.ts';
import { isWithin, joinPath, UncertainNames } from '../../../../replicator/core/uncertain-names.ts';
import { Random } from '../../../sim/timeline.ts';

const names = ['a', 'b', 'c'];
const paths = allPaths('', 3);

function allPaths(above: string, depth: number): string[] {
  if (depth === 0) return [];
  return names.flatMap((name) => [joinPath(above, name), ...allPaths(joinPath(above, name), depth - 1)]);
}

/** The marks one by one: what is certain follows from all of them. */
class Marks {
  marks: { path: string; scope: Scope }[] = [];

  isCertain(path: string): boolean {
    return !this.marks.some(({ path: at, scope }) => {
      if (at === path) return scope !== 'entries' && path !== '';
      return isWithin(path, at);
    });
  }

  settleTree(path: string): void {
    this.marks = this.marks.filter(({ path: at }) => !isWithin(at, path));
  }

  move(from: string, to: string): void {
    const moved = this.marks.filter(({ path }) => isWithin(path, from));
    this.settleTree(from);
    this.settleTree(to);
    this.marks.push(...moved.map(({ path, scope }) => ({ path: to + path.slice(from.length), scope })));
  }
}

describe('uncertain names', () => {
  it('are what their marks say', () => {
    for (let seed = 1; seed <= 400; seed++) {
      const random = new Random(seed);
      const uncertain = new UncertainNames();
      const marks = new Marks();
      for (let step = 0; step < 12; step++) {
        const path = random.pick(paths);
        if (random.chance(0.6)) {
          const scope = random.pick(['name', 'entries', 'tree'] as const);
          uncertain.mark(path, scope);
          marks.marks.push({ path, scope });
        } else if (uncertain.isCertain(path) && uncertain.mayDefine(path)) {
          const to = random.pick(paths);
          const mayMove = !isWithin(to, path) && !isWithin(path, to) && uncertain.mayDefine(to);
          if (mayMove && random.chance(0.5)) {
            uncertain.move(path, to);
            marks.move(path, to);
          } else {
            uncertain.settleTree(path);
            marks.settleTree(path);
          }
        }
        for (const each of paths)
          assert.equal(
            uncertain.isCertain(each),
            marks.isCertain(each),
            `seed ${seed}, step ${step}: ${each}`,
          );
      }
    }
  });

  it('survive being written down and read again, with no more certainty than before', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = new Random(seed);
      const uncertain = new UncertainNames();
      for (let step = 0; step < 6; step++)
        uncertain.mark(random.pick(paths), random.pick(['name', 'entries', 'tree'] as const));
      const again = new UncertainNames(uncertain.all());
      for (const path of paths) assert.equal(again.isCertain(path), uncertain.isCertain(path), path);
    }
  });

  it('are asked for from above: nothing below an uncertain name', () => {
    const uncertain = new UncertainNames([
      { path: 'a/b/c', scope: 'name' },
      { path: 'a', scope: 'name' },
      { path: 'b', scope: 'tree' },
      { path: 'c/a', scope: 'entries' },
    ]);
    assert.deepEqual([...uncertain.topmost()].map(({ path, scope }) => `${path} ${scope}`).sort(), [
      'a name',
      'b name',
      'c/a entries',
    ]);
  });

  it('of a directory that became known are those of its entries', () => {
    const uncertain = new UncertainNames([{ path: 'a', scope: 'tree' }]);
    uncertain.settleName('a');
    assert.equal(uncertain.isCertain('a'), true);
    assert.equal(uncertain.isCertain('a/b'), false);
    assert.equal(uncertain.mayDefine('a/b'), false);
    uncertain.settleEntries('a', null);
    assert.equal(uncertain.isEmpty, true);
  });

  it('of a directory are known up to the last name of a page, and no further', () => {
    const uncertain = new UncertainNames([{ path: '', scope: 'tree' }]);
    uncertain.settleEntries('', 'b');
    assert.deepEqual(
      ['a', 'b', 'b/x', 'ba', 'c'].map((path) => uncertain.isCertain(path)),
      [true, true, true, false, false],
    );
    assert.deepEqual([uncertain.mayDefine('b'), uncertain.mayDefine('c')], [true, false]);
    // What is marked in the known part is asked for by itself, and before the next page.
    uncertain.mark('a/x', 'name');
    uncertain.mark('c/x', 'name');
    assert.deepEqual(
      [...uncertain.topmost()],
      [
        { path: 'a/x', scope: 'name' },
        { path: '', scope: 'entries', knownUpTo: 'b' },
      ],
    );
    uncertain.settleTree('a');
    uncertain.settleEntries('', null);
    assert.equal(uncertain.isEmpty, true);
  });

  it('known in part stay so when they are written down and read again, and move along', () => {
    const uncertain = new UncertainNames([{ path: 'a', scope: 'tree' }]);
    uncertain.settleName('a');
    uncertain.settleEntries('a', 'm');
    uncertain.mark('a/c', 'tree');
    uncertain.move('a', 'b');
    for (const each of [uncertain, new UncertainNames(uncertain.all())]) {
      each.settleName('b');
      assert.deepEqual(
        ['b/c', 'b/d', 'b/m', 'b/n'].map((path) => each.isCertain(path)),
        [false, true, true, false],
      );
    }
  });

  it('are all unknown again when their directory is doubted anew', () => {
    for (const scope of ['entries', 'tree'] as const) {
      const uncertain = new UncertainNames([{ path: 'a', scope: 'entries' }]);
      uncertain.settleEntries('a', 'm');
      uncertain.mark('a', scope);
      assert.equal(uncertain.at('a').knownUpTo, null);
      assert.equal(uncertain.isCertain('a/b'), false);
    }
  });

  it('leave nothing behind when they are settled one by one', () => {
    const uncertain = new UncertainNames(paths.map((path) => ({ path, scope: 'name' as const })));
    for (const path of paths.toReversed()) uncertain.settleName(path);
    assert.equal(uncertain.isEmpty, true);
  });
});
