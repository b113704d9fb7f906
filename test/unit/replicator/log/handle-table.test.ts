import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LogRecord } from '../../../../replicator/core/record.ts';
import { HandleTable, maxOpenHandles } from '../../../../replicator/log/handle-table.ts';

function open(handle: number, path: string): LogRecord {
  return {
    kind: 'open',
    handle,
    path: Buffer.from(path),
    created: false,
    truncate: false,
    mode: 0,
    otherNames: [],
  };
}

function rename(from: string, to: string): LogRecord {
  return { kind: 'rename', from: Buffer.from(from), to: Buffer.from(to) };
}

function pathsAfter(...records: LogRecord[]): Record<number, string | null> {
  const table = new HandleTable();
  for (const record of records) table.apply(record);
  return Object.fromEntries(
    [...table.handles].map(([handle, { path }]) => [handle, path?.toString() ?? null]),
  );
}

describe('the open handles of a log', () => {
  it('follow the names of their files and of the folders above', () => {
    assert.deepEqual(pathsAfter(open(1, 'a/b'), open(2, 'a'), open(3, 'ab'), rename('a', 'x/y')), {
      1: 'x/y/b',
      2: 'x/y',
      3: 'ab',
    });
    assert.deepEqual(pathsAfter(open(1, 'a'), rename('a', 'a'), rename('a', 'b'), rename('c', 'd')), {
      1: 'b',
    });
  });

  it('lose the name that is removed or replaced', () => {
    assert.deepEqual(pathsAfter(open(1, 'a'), { kind: 'remove', path: Buffer.from('a') }, open(2, 'a')), {
      1: null,
      2: 'a',
    });
    assert.deepEqual(pathsAfter(open(1, 'a'), open(2, 'b'), rename('b', 'a')), { 1: null, 2: 'a' });
  });

  it('have no name when it gets longer than a record can say', () => {
    const deep = 'd/'.repeat(32_000);
    assert.deepEqual(pathsAfter(open(1, `${deep}f`), open(2, 'd'), rename('d', 'e'.repeat(255))), {
      1: `${'e'.repeat(255)}${deep.slice(1)}f`,
      2: 'e'.repeat(255),
    });
    const moved = pathsAfter(open(1, `${deep}f`), rename('d', `${'e'.repeat(255)}/`.repeat(10).slice(0, -1)));
    assert.deepEqual(moved, { 1: null });
  });

  it('end with close, and with a leadership', () => {
    const leadership: LogRecord = {
      kind: 'leadership',
      epoch: 2,
      node: 'a',
      previous: { epoch: 1, sequence: 1 },
    };
    assert.deepEqual(pathsAfter(open(1, 'a'), open(2, 'b'), { kind: 'close', handle: 1 }), { 2: 'b' });
    assert.deepEqual(pathsAfter(open(1, 'a'), leadership, open(2, 'b')), { 2: 'b' });
  });

  it('keep the inode that they were bound to, until they are opened anew', () => {
    const table = new HandleTable();
    table.bind(1, 5n);
    assert.equal(table.handles.size, 0);
    table.apply(open(1, 'a'));
    table.bind(1, 5n);
    table.apply(rename('a', 'b'));
    assert.equal(table.handles.get(1)?.inode, 5n);
    table.apply(open(1, 'c'));
    assert.equal(table.handles.get(1)?.inode, null);
  });

  it('are bounded', () => {
    const many = Array.from({ length: maxOpenHandles }, (_, handle) => open(handle, 'a'));
    const table = new HandleTable();
    table.checkRoomFor(many);
    for (const record of many) table.apply(record);
    assert.throws(() => table.checkRoomFor([open(1, 'a')]), /open handles/);
    table.checkRoomFor([{ kind: 'close', handle: 1 }]);
  });
});
