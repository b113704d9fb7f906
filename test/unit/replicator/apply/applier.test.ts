import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { timesOf } from '../../../../replicator/apply/times.ts';
import type { LogRecord } from '../../../../replicator/core/record.ts';
import { assertCode, bytes, Engine, openDescriptors, record } from './engine.ts';

describe('applying records', () => {
  let engine: Engine;
  let descriptors: number;

  beforeEach(() => {
    descriptors = openDescriptors();
    engine = new Engine();
  });
  afterEach(() => {
    engine.remove();
    assert.equal(openDescriptors(), descriptors, 'no descriptor is left open');
  });

  it('writes through handles, whatever the name becomes', () => {
    engine.apply(record.open(1, 'a'));
    engine.write(1, 0, 'one');
    engine.apply(record.rename('a', 'b'));
    engine.write(1, 3, ' two');
    assert.equal(engine.read('b'), 'one two');
    engine.apply(record.remove('b'));
    engine.write(1, 0, 'gone');
    engine.apply(record.close(1), record.open(1, 'c'));
    engine.write(1, 5, 'x');
    engine.apply(record.close(1));
    assert.deepEqual(readdirSync(engine.root), ['c']);
    assert.equal(engine.read('c'), '\0\0\0\0\0x');
  });

  it('does each of the other kinds', () => {
    engine.apply(record.mkdir('d', 0o750));
    engine.put('d/a', 'abcdef');
    engine.apply(record.set('d/a', { size: 3, mode: 0o600, accessedAtUs: 5e6, modifiedAtUs: 7e6 }));
    engine.apply(record.symlink('l', '/etc/passwd'), record.link('d/a', 'hard'));
    engine.apply(record.mkdir('e'), record.rmdir('e'), record.mkdir('f'), record.rename('d', 'f'));
    const stats = statSync(engine.at('f/a'));
    assert.deepEqual([stats.mode & 0o777, stats.atimeMs, stats.mtimeMs, stats.nlink], [0o600, 5000, 7000, 2]);
    assert.equal(engine.read('hard'), 'abc');
    assert.equal(engine.mode('f'), 0o750);
    assert.equal(readlinkSync(engine.at('l')), '/etc/passwd');
    assert.deepEqual(readdirSync(engine.root).sort(), ['f', 'hard', 'l']);
    engine.apply(record.open(2, 'hard', { truncate: true }), record.setHandle(2, { size: 2, mode: 0o640 }));
    engine.apply(record.sync(2), record.close(2));
    assert.equal(engine.read('f/a'), '\0\0');
    assert.equal(engine.mode('f/a'), 0o640);
  });

  it('gives modes exactly as asked, whatever the umask', () => {
    const umask = process.umask(0o077);
    try {
      engine.apply(record.open(1, 'f', { mode: 0o666 }), record.close(1), record.mkdir('d', 0o777));
      engine.apply(record.open(1, 'f', { mode: 0o600 }), record.close(1));
    } finally {
      process.umask(umask);
    }
    assert.equal(engine.mode('f'), 0o666);
    assert.equal(engine.mode('d'), 0o777);
    engine.apply(record.set('d', { mode: 0o2777 }), record.mkdir('d/e', 0o755));
    assert.equal(engine.mode('d/e'), 0o755, 'not the bit of the folder above');
  });

  it('keeps times to the microsecond, however often they are read and set again', () => {
    engine.apply(record.open(1, 'f'), record.symlink('l', 'nowhere'));
    const read = (name: string) => timesOf(lstatSync(engine.at(name), { bigint: true }));
    for (const us of [
      0, 1, 999_999, 1_000_000, 1_764_123_456_789_001, 1_764_123_456_999_999, 4_294_967_295_999_999,
    ]) {
      const times = { accessedAtUs: us, modifiedAtUs: us };
      engine.apply(record.setHandle(1, times), record.set('l', times));
      for (let again = 0; again < 5; again++) {
        assert.deepEqual(read('f'), times);
        assert.deepEqual(read('l'), times);
        engine.apply(record.set('f', read('f')), record.set('l', read('l')));
      }
    }
    engine.apply(
      record.setHandle(1, { modifiedAtUs: 12_000_000 }),
      record.set('f', { accessedAtUs: 13_000_000 }),
    );
    assert.deepEqual(read('f'), { accessedAtUs: 13_000_000, modifiedAtUs: 12_000_000 });
    assert.equal(
      lstatSync(engine.at('f'), { bigint: true }).mtimeNs,
      12_000_000_000n,
      'whole seconds are exact',
    );
    assert.deepEqual(engine.applier.timesOf(1), read('f'));
    assert.throws(() => engine.apply(record.setHandle(1, { modifiedAtUs: -1 })), RangeError);
  });

  it('tells which file a record was about, and what it replaced', () => {
    const { applier } = engine;
    engine.put('a', 'a');
    engine.put('b', 'b');
    const inode = (name: string) => lstatSync(engine.at(name), { bigint: true }).ino;
    const [a, b] = [inode('a'), inode('b')];
    const linked = applier.apply(record.link('b', 'b2'));
    assert.deepEqual([linked.subject, linked.created], [{ type: 'file', inode: b, links: 2 }, true]);
    const moved = applier.apply(record.rename('a', 'b'));
    assert.deepEqual(moved.subject, { type: 'file', inode: a, links: 1 });
    assert.deepEqual(moved.replaced, { type: 'file', inode: b, links: 1 });
    const removed = applier.apply(record.remove('b2'));
    assert.deepEqual(removed.subject, { type: 'file', inode: b, links: 0 });
    const opened = applier.apply(record.open(1, 'b', { created: false }));
    assert.deepEqual([opened.subject, opened.created], [{ type: 'file', inode: a, links: 1 }, false]);
    const made = applier.apply(record.open(2, 'c'));
    assert.deepEqual([made.subject, made.created], [{ type: 'file', inode: inode('c'), links: 1 }, true]);
    applier.apply(record.mkdir('d'));
    applier.apply(record.mkdir('e'));
    const over = applier.apply(record.rename('d', 'e'));
    assert.deepEqual(
      [over.subject?.type, over.replaced?.type, over.replaced?.links],
      ['directory', 'directory', 0],
    );
  });

  it('leaves both names of one file when one is renamed to the other, and says that nothing changed', () => {
    engine.put('a', 'x');
    engine.apply(record.link('a', 'b'));
    const result = engine.applier.apply(record.rename('a', 'b'));
    assert.deepEqual([result.changed, result.replaced, result.subject?.links], [false, null, 2]);
    assert.deepEqual(readdirSync(engine.root).sort(), ['a', 'b']);
  });

  it('follows no symbolic link, neither on the way nor at the end', () => {
    writeFileSync(join(engine.folder, 'secret'), 'secret');
    symlinkSync(engine.folder, engine.at('out'));
    symlinkSync(join(engine.folder, 'secret'), engine.at('link'));
    const attempts: [string, LogRecord][] = [
      ['ENOTDIR', record.open(1, 'out/new')],
      ['ELOOP', record.open(2, 'link')],
      ['ELOOP', record.open(3, 'link', { created: false, truncate: true })],
      ['ENOTDIR', record.remove('out/secret')],
      ['ENOTDIR', record.mkdir('out/d')],
      ['ENOTDIR', record.rename('link', 'out/moved')],
      ['ENOTDIR', record.set('out/secret', { size: 0 })],
      ['ELOOP', record.set('link', { size: 0 })],
      ['ELOOP', record.set('link', { mode: 0o777 })],
      ['ENOTDIR', record.link('out/secret', 'stolen')],
    ];
    for (const [code, attempt] of attempts)
      assertCode(code, () => engine.apply(attempt), JSON.stringify(attempt));
    assert.throws(() => engine.apply(record.rename('link', '../moved')), { name: 'FormatError' });
    assert.throws(() => engine.apply(record.mkdir('/d')), { name: 'FormatError' });
    assert.throws(() => engine.apply(record.mkdir('d/')), { name: 'FormatError' });
    engine.apply(record.link('link', 'link2'));
    assert.ok(lstatSync(engine.at('link2')).isSymbolicLink());
    assert.equal(readFileSync(join(engine.folder, 'secret'), 'utf8'), 'secret');
    assert.ok(!existsSync(join(engine.folder, 'new')));
  });

  it('says so, with the code, when the tree is not what the log says', () => {
    writeFileSync(engine.at('there'), '');
    mkdirSync(engine.at('dir'));
    engine.apply(record.open(7, 'there'));
    const impossible: [string, LogRecord][] = [
      ['ENOENT', record.open(1, 'missing', { created: false })],
      ['EISDIR', record.open(1, 'dir')],
      ['EINVAL', record.open(7, 'there')],
      ['ENOENT', record.remove('missing')],
      ['EISDIR', record.remove('dir')],
      ['EEXIST', record.mkdir('dir')],
      ['ENOENT', record.rename('missing', 'x')],
      ['ENOTDIR', record.rename('dir', 'there')],
      ['EBADF', record.close(99)],
      ['EBADF', record.sync(99)],
      ['EBUSY', record.rmdir('')],
      ['EBUSY', record.rename('there', '')],
      ['EISDIR', record.set('dir', { size: 1 })],
      ['ENOENT', record.set('missing', { mode: 0o600 })],
    ];
    for (const [code, each] of impossible) assertCode(code, () => engine.apply(each), JSON.stringify(each));
    assertCode('EBADF', () => engine.write(99, 0, 'x'));
    assertCode('EINVAL', () => engine.applier.apply(record.write(7, 0, 5), Buffer.from('x')));
    assert.deepEqual(readdirSync(engine.root).sort(), ['dir', 'there']);
  });

  it('closes all handles when a leadership begins', () => {
    writeFileSync(engine.at('a'), '');
    engine.apply(record.open(1, 'a'), {
      kind: 'leadership',
      epoch: 2,
      node: 'b',
      previous: { epoch: 1, sequence: 9 },
    });
    assertCode('EBADF', () => engine.write(1, 0, 'x'));
    assert.deepEqual(engine.dirty.files, [], 'nothing was written, so nothing is kept');
    engine.apply(record.open(1, 'a'));
  });

  it('drops what is written to a file that had no name any more when its handle was bound', () => {
    engine.put('a', 'old');
    engine.applier.bindNameless(1);
    engine.applier.bind(2, bytes('a'));
    engine.write(1, 0, 'lost');
    engine.write(2, 0, 'n');
    engine.apply(record.setHandle(1, { size: 0 }), record.sync(1), record.close(1), record.close(2));
    assert.equal(engine.read('a'), 'nld');
  });

  it('works far below PATH_MAX, with names of any bytes', () => {
    const name = `\xff\n ${'x'.repeat(240)}`;
    let path = '';
    for (let depth = 0; depth < 40; depth++) {
      path = path === '' ? name : `${path}/${name}`;
      engine.apply(record.mkdir(path));
    }
    assert.ok(path.length > 2 * 4096);
    engine.put(`${path}/f`, 'deep');
    engine.apply(record.rename(`${path}/f`, `${path}/g`), record.link(`${path}/g`, 'up'));
    engine.apply(record.set(`${path}/g`, { modifiedAtUs: 5_000_001 }), record.symlink(`${path}/l`, 'x'));
    assert.equal(engine.read('up'), 'deep');
    engine.apply(record.remove(`${path}/g`), record.remove(`${path}/l`));
    for (; path !== ''; path = path.slice(0, Math.max(0, path.lastIndexOf('/'))))
      engine.apply(record.rmdir(path));
    assert.deepEqual(readdirSync(engine.root), ['up']);
  });
});

describe('directories that are kept open', () => {
  let engine: Engine;
  beforeEach(() => {
    engine = new Engine(3);
    engine.apply(record.mkdir('a'), record.mkdir('a/b'));
    engine.put('a/b/f', 'first');
  });
  afterEach(() => engine.remove());

  it('are not taken for what has their place since, whoever moved them', () => {
    renameSync(engine.at('a/b'), engine.at('moved'));
    assertCode('ENOENT', () => engine.put('a/b/f', 'x'));
    mkdirSync(engine.at('a/b'));
    engine.put('a/b/f', 'second');
    assert.equal(engine.read('a/b/f'), 'second');
    assert.equal(engine.read('moved/f'), 'first');
    engine.apply(record.rename('a', 'c'), record.rename('moved', 'a'));
    assertCode('ENOENT', () => engine.put('a/b/f', 'x'));
    engine.put('a/f', 'third');
    assert.equal(engine.read('a/f'), 'third');
  });

  it('are not taken when a link leads to them, or above them, since', () => {
    renameSync(engine.at('a'), engine.at('moved'));
    symlinkSync('moved', engine.at('a'));
    assertCode('ENOTDIR', () => engine.put('a/b/f', 'x'));
    assert.equal(engine.read('moved/b/f'), 'first');
  });

  it('are not taken when they are removed, also where a name looks as the kernel shows a removed one', () => {
    engine.apply(record.mkdir('d (deleted)'));
    engine.put('d (deleted)/f', 'x');
    engine.apply(record.remove('d (deleted)/f'), record.rename('d (deleted)', 'd'));
    rmdirSync(engine.at('d'));
    engine.apply(record.mkdir('d (deleted)'));
    engine.put('d (deleted)/f', 'new');
    assert.equal(engine.read('d (deleted)/f'), 'new');
    engine.apply(record.remove('a/b/f'), record.rmdir('a/b'), record.mkdir('a/b'));
    engine.put('a/b/f', 'again');
    assert.equal(engine.read('a/b/f'), 'again');
  });

  it('are few', () => {
    const before = openDescriptors();
    for (let n = 0; n < 20; n++) engine.apply(record.mkdir(`d${n}`));
    engine.dirty.closeAll();
    for (let n = 0; n < 20; n++)
      assertCode('ENOENT', () => engine.apply(record.open(1, `d${n}/f`, { created: false })));
    assert.ok(openDescriptors() <= before + 1, `${openDescriptors()} after ${before}`);
  });
});
