import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Operation } from '#contracts/journal/operation.ts';
import { DirtyPaths } from '../../../../replicator/source/dirty-paths.ts';
import { HandlePaths } from '../../../../replicator/source/handle-paths.ts';

const path = (name: string) => Buffer.from(name);
const create = (handle: number, name: string): Operation => ({
  kind: 'open',
  handle,
  path: path(name),
  flags: { create: true, exclusive: false, truncate: true },
  mode: 0o644,
});
const reopen = (handle: number, name: string): Operation => ({
  kind: 'open',
  handle,
  path: path(name),
  flags: { create: false, exclusive: false, truncate: false },
  mode: 0,
});
const write = (handle: number, offset: number, size: number): Operation => ({
  kind: 'write',
  handle,
  offset,
  data: Buffer.alloc(size),
});
const rename = (from: string, to: string): Operation => ({ kind: 'rename', from: path(from), to: path(to) });

function after(...operations: Operation[]) {
  const dirty = new DirtyPaths();
  const handles = new HandlePaths();
  const run = (...more: Operation[]) => {
    for (const operation of more) {
      dirty.note(operation, handles);
      handles.follow(operation);
    }
  };
  run(...operations);
  return { dirty, handles, run };
}

describe('dirty paths', () => {
  it('a running upload is dirty only where it was written since', () => {
    const { dirty, run } = after(create(1, 'a'), write(1, 0, 100));
    assert.deepEqual(dirty.drain(), [{ path: 'a', ranges: null }]);
    run(write(1, 100, 50), write(1, 150, 50), write(1, 1000, 1));
    assert.equal(dirty.bytes, 101);
    assert.deepEqual(dirty.drain(), [
      {
        path: 'a',
        ranges: [
          [100, 200],
          [1000, 1001],
        ],
      },
    ]);
    assert.deepEqual(dirty.drain(), []);
  });

  it('what a truncation cut off is dirty to the end', () => {
    const { dirty } = after(reopen(1, 'a'), {
      kind: 'set-handle-attributes',
      handle: 1,
      attributes: { size: 10 },
    });
    assert.deepEqual(dirty.drain(), [{ path: 'a', ranges: [[10, null]] }]);
  });

  it('changed attributes are dirty without any content', () => {
    const { dirty } = after({ kind: 'set-attributes', path: path('a'), attributes: { mode: 0o600 } });
    assert.deepEqual(dirty.drain(), [{ path: 'a', ranges: [] }]);
  });

  it('follows an open file through renames of it and of what is above it', () => {
    const { dirty, run } = after(reopen(1, 'd/a'), rename('d', 'e'), rename('e/a', 'e/b'));
    dirty.drain();
    run(write(1, 0, 1));
    assert.deepEqual(dirty.drain(), [{ path: 'e/b', ranges: [[0, 1]] }]);
  });

  it('forgets a file that was removed or replaced while open', () => {
    const { dirty, run } = after(
      reopen(1, 'a'),
      reopen(2, 'b'),
      { kind: 'remove', path: path('a') },
      rename('c', 'b'),
    );
    dirty.drain();
    run(write(1, 0, 1), write(2, 0, 1));
    assert.deepEqual(dirty.drain(), []);
  });

  it('a renamed directory is dirty under both names, with all below it', () => {
    const { dirty } = after(reopen(1, 'd/a'), write(1, 0, 1), rename('d', 'x/e'), rename('x/e b', 'y'));
    assert.deepEqual(dirty.drain(), [
      { path: 'd', ranges: null },
      { path: 'x/e', ranges: null },
      { path: 'x/e b', ranges: null },
      { path: 'y', ranges: null },
    ]);
  });

  it('tells whether a path was touched, above or below', () => {
    const { dirty } = after(rename('d/e', 'x'));
    assert.ok(dirty.touches(path('d/e/f')));
    assert.ok(dirty.touches(path('d')));
    assert.ok(!dirty.touches(path('d/other')));
  });

  it('many ranges become one around them, and many paths the whole tree', () => {
    const { dirty, run } = after(reopen(1, 'a'));
    for (let part = 200; part > 0; part--) run(write(1, part * 1000, 1));
    const [first] = dirty.drain();
    assert.ok((first?.ranges?.length ?? 0) <= 64);
    const covered = first?.ranges?.every(([from, to]) => from >= 1000 && (to ?? 0) <= 200_001);
    assert.ok(covered);
    for (let file = 0; file < 50_001; file++) run({ kind: 'remove', path: path(`f${file}`) });
    assert.deepEqual(dirty.drain(), [{ path: '', ranges: null }]);
  });
});
