import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LogRecord } from '../../../../replicator/core/record.ts';
import { ChangesByName } from '../../../../replicator/leading/changes-by-name.ts';

const bytes = (path: string) => Buffer.from(path);
const opened = (handle: number, path: string, created = true, truncate = false): LogRecord => ({
  ...{ kind: 'open', handle, path: bytes(path), created, truncate, mode: 0o644, otherNames: [] },
});
const written = (handle: number): LogRecord => ({ kind: 'write', handle, offset: 0, length: 3 });
const renamed = (from: string, to: string): LogRecord => ({
  ...{ kind: 'rename', from: bytes(from), to: bytes(to) },
});
const removed = (path: string): LogRecord => ({ kind: 'remove', path: bytes(path) });
const madeDirectory = (path: string): LogRecord => ({ kind: 'mkdir', path: bytes(path), mode: 0o755 });
const changedMode = (path: string): LogRecord => ({
  ...{ kind: 'set-attributes', path: bytes(path), attributes: { mode: 0o600 }, otherNames: [] },
});

/** What changed for a host that has everything up to `held`, with records from sequence 1 on. */
function since(held: number, records: readonly LogRecord[], handles = new Map(), maxNames = 100): string[] {
  const changes = new ChangesByName(handles, maxNames);
  for (const [index, record] of records.entries()) changes.take(index + 1, record);
  return changes.since(held).map(({ change, path }) => `${change} ${path}`);
}

describe('what a part of the log changed, by name', () => {
  it('is each file once, the newest change first', () => {
    const records = [opened(1, 'a'), opened(2, 'b'), written(1), written(1)];
    assert.deepEqual(since(0, records), ['stored a', 'stored b']);
    assert.deepEqual(since(2, records), ['stored a'], 'for a host that has the first two records');
    assert.deepEqual(since(4, records), []);
  });

  it('finds what is written through a handle that was open before', () => {
    const handles = new Map([[7, { path: bytes('in/old'), inode: null }]]);
    assert.deepEqual(since(0, [written(7)], handles), ['stored in/old']);
    assert.deepEqual(since(0, [renamed('in', 'done'), written(7)], handles), [
      'stored done/old',
      'removed in',
      'stored done',
    ]);
  });

  it('goes with a file that is renamed, and with a folder that takes its files along', () => {
    assert.deepEqual(since(0, [opened(1, 't'), written(1), renamed('t', 'final'), written(1)]), [
      'stored final',
    ]);
    const moved = [madeDirectory('d'), opened(1, 'd/x'), renamed('d', 'e')];
    assert.deepEqual(since(0, moved), ['stored e', 'stored e/x']);
  });

  it('tells as removed what the host may have still, and not what it never had', () => {
    assert.deepEqual(since(0, [removed('old')]), ['removed old']);
    const passing = [opened(1, 'tmp'), written(1), removed('tmp')];
    assert.deepEqual(since(0, passing), []);
    assert.deepEqual(since(2, passing), ['removed tmp'], 'a host that has the file');
    assert.deepEqual(since(0, [...passing, opened(2, 'tmp')]), ['stored tmp']);
    assert.deepEqual(since(0, [opened(1, 'd/x', false), written(1), removed('d')]), ['removed d']);
  });

  it('tells a change of attributes alone from one of content', () => {
    assert.deepEqual(since(0, [changedMode('a')]), ['attributes a']);
    assert.deepEqual(since(0, [opened(1, 'a', false, true), changedMode('a')]), ['stored a']);
    assert.deepEqual(since(1, [opened(1, 'a', false, true), changedMode('a')]), ['attributes a']);
    const resized: LogRecord = { kind: 'set-handle-attributes', handle: 1, attributes: { size: 1 } };
    assert.deepEqual(since(1, [opened(1, 'a', false), resized]), ['stored a']);
    assert.deepEqual(since(0, [opened(1, 'a', false)]), [], 'opening alone changes nothing');
  });

  it('forgets what every host has, and keeps the rest', () => {
    const changes = new ChangesByName(new Map(), 100);
    const records = [opened(1, 'in/a'), opened(2, 'in/b'), opened(3, 'tmp'), removed('tmp')];
    for (const [index, record] of records.entries()) changes.take(index + 1, record);
    changes.forget(1, 2);
    assert.deepEqual(
      changes.since(0).map(({ path }) => path),
      ['in/b'],
    );
  });

  it('keeps a file that was made and removed as long as one host may have it', () => {
    const changes = new ChangesByName(new Map(), 100);
    const records = [opened(1, 'b'), opened(2, 'tmp'), removed('tmp')];
    for (const [index, record] of records.entries()) changes.take(index + 1, record);
    changes.forget(1, 2);
    assert.deepEqual(
      changes.since(2).map(({ change, path }) => `${change} ${path}`),
      ['removed tmp'],
    );
  });

  it('says that it is not whole for a host that may have a file that was forgotten as seen by nobody', () => {
    const changes = new ChangesByName(new Map(), 100);
    const records = [opened(1, 'b'), opened(2, 'tmp'), written(2), removed('tmp'), opened(3, 'c')];
    for (const [index, record] of records.entries()) changes.take(index + 1, record);
    changes.forget(1, 1);
    assert.deepEqual(
      [1, 2, 3, 4].map((held) => changes.isWholeFor(held)),
      [true, false, false, true],
    );
  });

  it('tells every name of a file that has several', () => {
    const otherNames = [bytes('link')];
    const linked = (truncate: boolean): LogRecord => ({
      ...{ kind: 'open', handle: 1, path: bytes('a'), created: false, truncate, mode: 0o644, otherNames },
    });
    assert.deepEqual(since(0, [linked(true)]), ['stored a', 'stored link']);
    assert.deepEqual(since(1, [linked(false), written(1)]), ['stored a', 'stored link']);
    assert.deepEqual(since(1, [linked(false), { kind: 'close', handle: 1 }]), []);
    const mode: LogRecord = {
      kind: 'set-attributes',
      path: bytes('a'),
      attributes: { mode: 0o600 },
      otherNames,
    };
    assert.deepEqual(since(0, [mode]), ['attributes a', 'attributes link']);
    const resized: LogRecord = { ...mode, attributes: { size: 3 } };
    assert.deepEqual(since(0, [resized]), ['stored a', 'stored link']);
  });

  it('says when it knows of more names than it keeps', () => {
    const changes = new ChangesByName(new Map(), 2);
    for (const [index, name] of ['a', 'b'].entries()) changes.take(index + 1, opened(index, name));
    assert.equal(changes.isWholeFor(0), true);
    changes.take(3, opened(3, 'c'));
    changes.take(4, written(0));
    assert.equal(changes.isWholeFor(0), false);
    assert.deepEqual(
      changes.since(0).map(({ path }) => path),
      ['a', 'b'],
    );
  });
});
