import assert from 'node:assert/strict';
import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { FailedFlush, FlushLimits } from '../../../../replicator/apply/flusher.ts';
import { defaultFlushLimits, Flusher } from '../../../../replicator/apply/flusher.ts';
import type { LogRecord } from '../../../../replicator/core/record.ts';
import { bytes, Engine, openDescriptors, record } from './engine.ts';

/** A disk whose flushes take until the test ends them. Paths are from the files root. */
class HeldDisk {
  readonly asked: string[] = [];
  readonly #waiting: { readonly what: string; readonly end: (error?: Error) => void }[] = [];
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  fsync = (fd: number) => this.#hold(fd, '');
  fdatasync = (fd: number) => this.#hold(fd, ' (data)');

  get waiting(): string[] {
    return this.#waiting.map(({ what }) => what).sort();
  }

  /** Ends those of this name, or all that are under way. */
  async end(what?: string, code?: string): Promise<void> {
    for (const each of [...this.#waiting]) {
      if (what !== undefined && each.what !== what) continue;
      this.#waiting.splice(this.#waiting.indexOf(each), 1);
      each.end(code === undefined ? undefined : Object.assign(new Error(code), { code }));
    }
    await setImmediate();
  }

  async endAll(): Promise<void> {
    await setImmediate();
    while (this.#waiting.length > 0) await this.end();
  }

  #hold(fd: number, suffix: string): Promise<void> {
    const path = readlinkSync(`/proc/self/fd/${fd}`).slice(this.#root.length + 1);
    const what = `${path === '' ? '/' : path}${suffix}`;
    this.asked.push(what);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ what, end: (error) => (error === undefined ? resolve() : reject(error)) });
    });
  }
}

describe('flushing what was changed', () => {
  let engine: Engine;
  let disk: HeldDisk;
  let flusher: Flusher;
  let failed: FailedFlush[];
  let descriptors: number;
  let rooms: number;

  const start = (limits: Partial<FlushLimits> = {}) => {
    const events = { onFailed: (each: FailedFlush) => failed.push(each), onRoom: () => (rooms += 1) };
    flusher = new Flusher(engine.dirty, disk, events, { ...defaultFlushLimits, atOnce: 8, ...limits });
  };
  /** Applies, and waits for the last record's barrier. */
  const barrier = (...records: LogRecord[]): { state: string; promise: Promise<void> } => {
    let scope = { files: [], paths: [] } as Parameters<Flusher['barrier']>[0];
    for (const each of records)
      scope = engine.applier.apply(
        engine.fit(each),
        each.kind === 'write' ? Buffer.alloc(each.length) : undefined,
      ).scope;
    const result = { state: 'waiting', promise: flusher.barrier(scope) };
    result.promise.then(
      () => {
        result.state = 'done';
      },
      (error) => {
        result.state = error.code;
      },
    );
    return result;
  };
  const clean = async () => {
    const done = flusher.everything();
    await disk.endAll();
    await done;
    disk.asked.length = 0;
  };

  beforeEach(() => {
    descriptors = openDescriptors();
    engine = new Engine();
    disk = new HeldDisk(engine.root);
    failed = [];
    rooms = 0;
    start();
  });
  afterEach(async () => {
    const closing = flusher.close();
    await disk.endAll();
    await closing;
    engine.remove();
    assert.equal(openDescriptors(), descriptors);
  });

  it('flushes what is changed again, also while the flush before is under way', async () => {
    start();
    void barrier(record.open(1, 'f', { created: true }), record.write(1, 0, 1), record.sync(1)).promise;
    await setImmediate();
    assert.deepEqual(disk.waiting, ['/', 'f']);
    const second = barrier(record.write(1, 1, 1), record.sync(1));
    assert.deepEqual(disk.asked, ['f', '/', 'f'], 'the flush that had begun does not cover it');
    await disk.endAll();
    await second.promise;
    const third = barrier(record.write(1, 2, 1), record.sync(1));
    await setImmediate();
    assert.equal(third.state, 'waiting');
    await disk.endAll();
    await third.promise;
    assert.deepEqual(disk.asked, ['f', '/', 'f', 'f']);
  });

  it('covers a closed file and every folder without which it is not found', async () => {
    const done = barrier(
      record.mkdir('a'),
      record.mkdir('a/b'),
      record.open(1, 'a/b/f'),
      record.write(1, 0, 5),
      record.close(1),
    );
    assert.deepEqual(disk.waiting, ['/', 'a', 'a/b', 'a/b/f']);
    for (const each of ['a/b/f', '/', 'a']) {
      await disk.end(each);
      assert.equal(done.state, 'waiting', each);
    }
    await disk.end('a/b');
    assert.equal(done.state, 'done');
    assert.deepEqual([engine.dirty.files, engine.dirty.kept], [[], 0]);
  });

  it('covers what each kind of record changed, and no more', async () => {
    engine.apply(record.mkdir('a'), record.mkdir('b'), record.mkdir('a/d'));
    engine.put('a/f', 'x');
    engine.put('b/busy', 'x');
    await clean();
    engine.apply(record.open(9, 'b/busy'), record.write(9, 0, 10));
    const cut = barrier(record.open(8, 'a/f', { truncate: true }), record.close(8));
    assert.deepEqual(disk.waiting, ['a/f']);
    await disk.end();
    assert.equal(cut.state, 'done');
    const table: [LogRecord, string[]][] = [
      [record.rename('a/f', 'b/g'), ['a', 'b']],
      [record.link('b/g', 'a/h'), ['a']],
      [record.remove('a/h'), ['a']],
      [record.symlink('a/l', 'x'), ['a']],
      [record.mkdir('a/n'), ['a', 'a/n']],
      [record.rmdir('a/n'), ['a']],
      [record.rename('a/d', 'b/d'), ['a', 'b']],
      [record.set('b/g', { mode: 0o600 }), ['b/g']],
      [record.set('b/d', { mode: 0o700 }), ['b/d']],
      [record.sync(9), ['b/busy']],
    ];
    for (const [each, paths] of table) {
      const done = barrier(each);
      assert.deepEqual(disk.waiting, paths, each.kind);
      await disk.end();
      assert.equal(done.state, 'done', each.kind);
    }
    const nothing = barrier(record.sync(9));
    await setImmediate();
    assert.deepEqual([nothing.state, disk.waiting], ['done', []]);
    engine.apply(record.close(9));
  });

  it('goes where a file or its folder was renamed meanwhile', async () => {
    engine.apply(record.mkdir('a'), record.mkdir('b'));
    await clean();
    const moved = barrier(
      record.open(1, 'a/f'),
      record.write(1, 0, 1),
      record.rename('a/f', 'b/f'),
      record.close(1),
    );
    assert.deepEqual(disk.waiting, ['a', 'b', 'b/f']);
    await disk.end();
    assert.equal(moved.state, 'done');
    const above = barrier(
      record.open(1, 'a/g'),
      record.write(1, 0, 1),
      record.rename('a', 'b/c'),
      record.close(1),
    );
    assert.deepEqual(disk.waiting, ['/', 'b', 'b/c', 'b/c/g']);
    await disk.end();
    assert.equal(above.state, 'done');
    engine.apply(record.mkdir('p'), record.mkdir('p/q'), record.mkdir('o'));
    await clean();
    const away = barrier(
      record.open(1, 'p/q/g'),
      record.write(1, 0, 1),
      record.rename('p/q', 'o/q'),
      record.close(1),
    );
    assert.deepEqual(disk.waiting, ['o', 'o/q', 'o/q/g', 'p']);
    await disk.end();
    assert.equal(away.state, 'done');
    const linked = barrier(
      record.open(1, 'o/q/g'),
      record.write(1, 0, 1),
      record.link('o/q/g', 'p/g'),
      record.close(1),
    );
    assert.deepEqual(disk.waiting, ['o/q/g', 'p']);
    await disk.end();
    assert.equal(linked.state, 'done');
    engine.apply(record.rename('b/c', 'c'));
    const opened = barrier(record.open(1, 'c/g'), record.write(1, 0, 1), record.close(1));
    assert.deepEqual(disk.waiting, ['/', 'c/g']);
    await disk.end();
    assert.equal(opened.state, 'done');
  });

  it('finds a folder under the name that it has by now', async () => {
    engine.apply(record.mkdir('a'));
    await clean();
    engine.apply(record.open(1, 'a/g'), record.rename('a', 'b'));
    const other = barrier(record.open(2, 'b/g'), record.write(2, 0, 1), record.close(2));
    assert.deepEqual(disk.waiting, ['/', 'b', 'b/g', 'b/g']);
    await disk.end();
    assert.equal(other.state, 'done');
    engine.apply(record.close(1));
  });

  it('covers what others wrote to the same file, and closed', async () => {
    engine.put('f', 'x');
    await clean();
    const first = barrier(record.open(1, 'f'), record.write(1, 0, 1), record.close(1));
    const second = barrier(record.open(2, 'f'), record.close(2));
    await setImmediate();
    assert.deepEqual(disk.waiting, ['f']);
    assert.equal(second.state, 'waiting');
    await disk.end();
    assert.deepEqual([first.state, second.state], ['done', 'done']);
  });

  it('shares a flush that has not begun, and never one that has', async () => {
    start({ atOnce: 1 });
    const first = barrier(record.open(1, 'a'), record.close(1));
    assert.deepEqual(disk.waiting, ['a']);
    const others = [2, 3, 4].map((handle) =>
      barrier(record.open(handle, `f${handle}`), record.close(handle)),
    );
    await disk.end();
    assert.deepEqual(disk.waiting, ['/'], 'the folder once, for all four');
    const late = barrier(record.mkdir('late'), record.rmdir('late'));
    await disk.end();
    assert.equal(first.state, 'done');
    assert.equal(late.state, 'waiting', 'its change came after that flush began');
    await disk.endAll();
    assert.deepEqual(
      [...others, late].map(({ state }) => state),
      ['done', 'done', 'done', 'done'],
    );
    assert.deepEqual(disk.asked.filter((each) => each === '/').length, 2);
  });

  it('lets small barriers overtake large ones', async () => {
    start({ atOnce: 2, largeBytes: 1000, portionBytes: 2 ** 20 });
    engine.put('big', '');
    engine.put('big2', '');
    await clean();
    const large = [
      barrier(record.open(1, 'big'), record.write(1, 0, 5000), record.close(1)),
      barrier(record.open(2, 'big2'), record.write(2, 0, 5000), record.close(2)),
    ];
    const small = barrier(record.open(3, 'small'), record.write(3, 0, 10), record.close(3));
    assert.deepEqual(disk.waiting, ['big', 'small']);
    await disk.end('small');
    await disk.end('/');
    assert.deepEqual([small.state, large[0]?.state, disk.waiting], ['done', 'waiting', ['big']]);
    await disk.endAll();
    assert.deepEqual(
      large.map(({ state }) => state),
      ['done', 'done'],
    );
  });

  it('flushes behind a file that streams, within bounds, and tells when there is room', async () => {
    start({ portionBytes: 1000, maxFileBytes: 4000, maxBytes: 6000 });
    engine.apply(record.open(1, 'f'), record.write(1, 0, 900));
    const file = engine.applier.fileOf(1);
    assert.ok(file);
    assert.deepEqual([disk.waiting, flusher.roomFor(file)], [[], 3100]);
    engine.apply(record.write(1, 900, 200));
    await setImmediate();
    engine.apply(record.write(1, 1100, 2900));
    assert.deepEqual([disk.waiting, flusher.roomFor(file)], [['f (data)'], 0]);
    await disk.end();
    assert.deepEqual([disk.waiting, flusher.roomFor(file), rooms], [['f (data)'], 1100, 1]);
    await disk.end();
    assert.deepEqual([disk.waiting, flusher.roomFor(file), flusher.unflushedBytes], [[], 4000, 0]);
    const done = barrier(record.close(1));
    assert.deepEqual(disk.waiting, ['/', 'f'], 'its size and times, and its name');
    await disk.end();
    assert.equal(done.state, 'done');
  });

  it('bounds the bytes of many small files together, without waiting for a barrier', async () => {
    start({ portionBytes: 1000, maxFileBytes: 4000, maxBytes: 4000 });
    for (const handle of [1, 2, 3, 4, 5])
      engine.apply(record.open(handle, `f${handle}`), record.write(handle, 0, 800));
    const last = engine.applier.fileOf(5);
    assert.ok(last);
    assert.equal(flusher.roomFor(last), 0);
    await disk.endAll();
    assert.ok(flusher.roomFor(last) >= 2000, `${flusher.roomFor(last)}`);
    for (const handle of [1, 2, 3, 4, 5]) engine.apply(record.remove(`f${handle}`), record.close(handle));
    assert.equal(flusher.unflushedBytes, 0, 'nobody waits for what is gone');
  });

  it('does not let descriptors pile up where nobody asks for a barrier', async () => {
    start({ maxKept: 10, atOnce: 2 });
    for (let n = 0; n < 10; n++) engine.put(`f${n}`, 'x');
    assert.equal(flusher.hasRoom, false);
    await disk.endAll();
    assert.equal(flusher.hasRoom, true);
    assert.ok(engine.dirty.kept < 5, `${engine.dirty.kept} are kept`);
  });

  it('does not wait for a file that is gone', async () => {
    const done = barrier(record.open(1, 'f'), record.write(1, 0, 5), record.remove('f'), record.close(1));
    assert.deepEqual(disk.waiting, ['/']);
    await disk.end();
    assert.equal(done.state, 'done');
    const removed = barrier(record.mkdir('d'), record.rmdir('d'));
    assert.deepEqual(disk.waiting, ['/']);
    await disk.end();
    assert.equal(removed.state, 'done');
  });

  it('never takes a file for flushed after a failed fsync, under any descriptor, until it is replaced', async () => {
    engine.put('f', 'x');
    engine.put('other', 'x');
    await clean();
    const first = barrier(record.open(1, 'f'), record.write(1, 0, 5), record.close(1));
    const inode = engine.dirty.files[0]?.inode ?? 0n;
    await disk.end('f', 'EIO');
    assert.equal(first.state, 'EIO');
    assert.deepEqual(
      failed.map(({ path, inode }) => [path.toString(), inode]),
      [['f', inode]],
    );
    disk.asked.length = 0;
    const again = barrier(record.open(2, 'f'), record.write(2, 0, 5), record.sync(2));
    await setImmediate();
    assert.deepEqual([again.state, disk.asked, failed.length], ['EIO', [], 1]);
    for (const each of [
      record.write(2, 0, 1),
      record.set('f', { size: 0 }),
      record.link('f', 'g'),
      record.open(3, 'f', { created: false }),
    ])
      assert.equal(engine.preconditions.refusal(each), 'EIO', each.kind);
    assert.equal(engine.preconditions.refusal(record.rename('other', 'f')), null);
    const replaced = barrier(record.rename('other', 'f'));
    await disk.endAll();
    assert.equal(replaced.state, 'done');
    assert.equal(engine.preconditions.refusal(record.set('f', { size: 0 })), null);
    engine.apply(record.close(2));
    assert.equal(engine.dirty.failureOf(inode), null);
  });

  it('fails at once what is under way for that file, also where it was flushed behind', async () => {
    start({ portionBytes: 1000 });
    engine.put('f', 'x');
    await clean();
    engine.apply(record.open(1, 'f'), record.write(1, 0, 2000));
    await setImmediate();
    assert.deepEqual(disk.waiting, ['f (data)']);
    engine.apply(record.write(1, 0, 2000));
    await disk.end('f (data)', 'EIO');
    engine.apply(record.write(1, 0, 2000));
    assert.deepEqual([failed.length, flusher.unflushedBytes], [1, 0], 'nobody waits for its bytes');
    const done = barrier(record.close(1));
    await setImmediate();
    assert.deepEqual([done.state, disk.waiting], ['EIO', []]);
    assert.equal(flusher.unflushedBytes, 0);
  });

  it('fails every barrier that needs the names of a folder whose fsync failed', async () => {
    engine.apply(record.mkdir('a'), record.mkdir('b'));
    await clean();
    const first = barrier(record.mkdir('a/x'));
    await disk.end('a', 'EIO');
    await disk.endAll();
    assert.equal(first.state, 'EIO');
    assert.deepEqual(
      failed.map(({ path, inode }) => [path.toString(), inode]),
      [['a', null]],
    );
    const inIt = barrier(record.open(1, 'a/x/f'), record.close(1));
    const elsewhere = barrier(record.open(2, 'b/f'), record.close(2));
    await disk.endAll();
    assert.deepEqual([inIt.state, elsewhere.state], ['EIO', 'done']);
    assert.equal(engine.preconditions.refusal(record.mkdir('a/y')), 'EIO');
    assert.equal(disk.asked.filter((each) => each === 'a').length, 1, 'not synced again');
    await assert.rejects(flusher.everything(), { code: 'EIO' });
    engine.dirty.namesRestored(bytes('a'));
    assert.equal(engine.preconditions.refusal(record.mkdir('a/y')), null);
  });

  it('begins no flush that covers a change before that is made', async () => {
    const seen: [string, unknown][] = [];
    const look = async (fd: number) => {
      const path = `/proc/self/fd/${fd}`;
      const stats = statSync(path);
      seen.push([
        readlinkSync(path).slice(engine.root.length),
        stats.isFile() ? stats.size : readdirSync(path),
      ]);
    };
    const disk = { fsync: look, fdatasync: look };
    const limits = { ...defaultFlushLimits, maxKept: 2, portionBytes: 5 };
    const other = new Flusher(engine.dirty, disk, { onFailed() {}, onRoom() {} }, limits);
    engine.apply(record.mkdir('d'));
    await setImmediate();
    assert.deepEqual(seen.slice(0, 2), [
      ['', ['d']],
      ['/d', []],
    ]);
    engine.apply(record.open(1, 'd/f'), record.write(1, 0, 5));
    await setImmediate();
    assert.deepEqual(seen.slice(2), [
      ['/d', ['f']],
      ['/d/f', 5],
    ]);
    engine.apply(record.close(1));
    await other.everything();
  });

  it('flushes with the descriptor that wrote', async () => {
    engine.apply(record.open(1, 'f', { mode: 0o400 }), record.write(1, 0, 5));
    const fd = engine.applier.fileOf(1)?.fd;
    const fds: number[] = [];
    const other = new Flusher(
      engine.dirty,
      { fsync: async (fd) => void fds.push(fd), fdatasync: async () => {} },
      { onFailed() {}, onRoom() {} },
    );
    await other.barrier(engine.applier.apply(record.close(1)).scope);
    assert.ok(fd !== undefined && fds.includes(fd), `${fd} among ${fds}`);
  });
});
