/** J3: modes that clients gave do not stop a record; and they are afterwards as they were, also when the process dies. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, it } from 'node:test';
import { execa } from 'execa';
import { openForReading } from '../../../../replicator/apply/open-file.ts';
import { describeAsNobody } from './as-nobody.ts';
import { assertCode, bytes, Engine, flusherOf, openDescriptors, record } from './engine.ts';

describeAsNobody('modes that forbid the engine itself', import.meta.url, () => {
  let engine: Engine;
  let descriptors: number;
  beforeEach(() => {
    descriptors = openDescriptors();
    engine = new Engine();
  });
  afterEach(() => {
    engine.remove();
    assert.equal(openDescriptors(), descriptors);
  });
  const places = () => ({ directories: engine.directories, unlocked: engine.unlocked });
  const noted = () => readFileSync(engine.note, 'utf8');

  it('are those of others than root', () => {
    assert.notEqual(process.getuid?.(), 0);
    engine.put('f', 'x', 0o400);
    assertCode('EACCES', () => writeFileSync(engine.at('f'), 'y'));
  });

  it('do not stop records in folders that may be neither entered nor changed', () => {
    engine.apply(record.mkdir('shut'), record.mkdir('shut/inner'), record.mkdir('ro'));
    engine.put('shut/inner/f', 'first');
    engine.apply(record.set('shut/inner', { mode: 0o000 }), record.set('shut', { mode: 0o000 }));
    engine.apply(record.set('ro', { mode: 0o555 }));
    engine.put('shut/inner/f', 'second');
    engine.put('ro/new', 'third');
    engine.apply(record.rename('shut/inner/f', 'ro/f'), record.link('ro/f', 'shut/inner/g'));
    engine.apply(
      record.symlink('ro/l', 'x'),
      record.remove('ro/l'),
      record.mkdir('shut/d'),
      record.rmdir('shut/d'),
    );
    assert.deepEqual([engine.mode('shut'), engine.mode('ro')], [0, 0o555]);
    assert.equal(engine.read('ro/f'), 'second');
    assert.equal(noted(), '');
    chmodSync(engine.at('shut'), 0o700);
    assert.equal(engine.mode('shut/inner'), 0);
  });

  it('do not stop a folder from being moved, whose new place is written in it', () => {
    engine.apply(
      record.mkdir('a'),
      record.mkdir('b'),
      record.mkdir('a/d', 0o555),
      record.set('a', { mode: 0o500 }),
    );
    engine.apply(record.rename('a/d', 'b/d'));
    assert.deepEqual([engine.mode('a'), engine.mode('b/d')], [0o500, 0o555]);
  });

  it('do not stop a handle from being bound to its file, nor the file from being read', () => {
    engine.put('f', 'first', 0o000);
    engine.applier.bind(1, bytes('f'));
    engine.write(1, 0, 'FIRST');
    engine.apply(record.setHandle(1, { mode: 0o200 }), record.close(1));
    assert.equal(engine.mode('f'), 0o200);
    const { fd } = openForReading(places(), bytes('f'));
    assert.equal(readFileSync(fd, 'utf8'), 'FIRST');
    engine.dirty.opened(fd, 0n, bytes('f'));
    assert.equal(engine.mode('f'), 0o200);
  });

  it('are set exactly, from any to any, with times and sizes, and flushed', async () => {
    const flusher = flusherOf(engine);
    engine.put('f', 'content', 0o000);
    engine.apply(record.mkdir('d', 0o000));
    for (const mode of [0o444, 0o000, 0o200, 0o555, 0o000]) {
      for (const path of ['f', 'd']) {
        const { scope } = engine.applier.apply(record.set(path, { mode, modifiedAtUs: 5_000_001 }));
        await flusher.barrier(scope);
        assert.equal(engine.mode(path), mode);
        assert.equal(Math.round(lstatSync(engine.at(path)).mtimeMs), 5000);
      }
    }
    engine.apply(record.set('f', { size: 3 }));
    assert.deepEqual([lstatSync(engine.at('f')).size, engine.mode('f')], [3, 0]);
  });

  it('are put back when the change fails', () => {
    engine.apply(record.mkdir('d'), record.set('d', { mode: 0o500 }));
    assertCode('ENOENT', () => engine.apply(record.remove('d/missing')));
    assertCode('ENOENT', () => engine.apply(record.open(1, 'd/missing/f')));
    chmodSync(engine.at('d'), 0o400);
    assertCode('ENOENT', () => engine.apply(record.remove('d/missing')));
    assert.equal(engine.mode('d'), 0o400);
    assert.equal(noted(), '');
  });

  /** The process dies in the middle of what modes do not allow. */
  async function dyingWithin(needed: string, change: string): Promise<void> {
    const script = `
      import { Directories } from ${JSON.stringify(import.meta.resolve('../../../../replicator/apply/directories.ts'))};
      import { Unlocked } from ${JSON.stringify(import.meta.resolve('../../../../replicator/apply/unlocked.ts'))};
      import { renameSync } from 'node:fs';
      const [, root, note] = process.argv;
      let runs = 0;
      new Unlocked(new Directories(root), note).allow([${needed}], () => {
        if (++runs === 1) throw Object.assign(new Error(), { code: 'EACCES' });
        ${change};
        process.kill(process.pid, 'SIGKILL');
        for (;;);
      });`;
    const args = ['--input-type=module', '--eval', script, engine.root, engine.note];
    const { signal } = await execa(process.execPath, args, { reject: false });
    assert.equal(signal, 'SIGKILL');
  }

  it('are put back at the next start when the process died in the middle', async () => {
    engine.apply(record.mkdir('a'), record.mkdir('a/d'));
    engine.put('a/d/f', 'x', 0o000);
    for (const path of ['a/d', 'a']) engine.apply(record.set(path, { mode: 0o000 }));
    await dyingWithin(`{ path: Buffer.from('a/d/f'), itself: 'always' }`, '');
    assert.deepEqual([engine.mode('a'), engine.mode('a/d'), engine.mode('a/d/f')], [0o700, 0o700, 0o600]);
    assert.deepEqual(engine.unlocked.restore().map(String), ['a', 'a/d', 'a/d/f']);
    for (const path of ['a', 'a/d', 'a/d/f']) {
      assert.equal(engine.mode(path), 0, path);
      chmodSync(engine.at(path), 0o700);
    }
    assert.deepEqual(engine.unlocked.restore(), []);
  });

  it('are put back then also when what was to be renamed has its new name', async () => {
    engine.apply(
      record.mkdir('a'),
      record.mkdir('a/d', 0o000),
      record.mkdir('b'),
      record.set('a', { mode: 0o500 }),
    );
    const needed = `{ path: Buffer.from('a/d'), itself: 'if-directory', orAt: Buffer.from('b/d') }`;
    await dyingWithin(needed, "renameSync(root + '/a/d', root + '/b/d')");
    assert.deepEqual([engine.mode('a'), engine.mode('b/d')], [0o700, 0o700]);
    assert.deepEqual(engine.unlocked.restore().map(String), ['a', 'b/d']);
    assert.deepEqual([engine.mode('a'), engine.mode('b/d')], [0o500, 0]);
  });

  it('are put back then also when it died while it put them back', () => {
    engine.apply(record.mkdir('a'), record.mkdir('a/d'));
    const line = (path: string) => {
      const inode = String(lstatSync(engine.at(path), { bigint: true }).ino);
      return `${JSON.stringify({ paths: [path], inode, mode: 0o100 })}\n`;
    };
    writeFileSync(engine.note, `${line('a')}${line('a/d')}`);
    chmodSync(engine.at('a'), 0o000);
    engine.unlocked.restore();
    assert.deepEqual([engine.mode('a'), engine.mode('a/d')], [0o100, 0o100]);
  });

  it('of another file that has the name since are left alone, and so is a line that was not written whole', () => {
    mkdirSync(engine.at('d'));
    const line = { paths: ['d'], inode: '1', mode: 0 };
    writeFileSync(
      engine.note,
      `${JSON.stringify(line)}\n${JSON.stringify({ ...line, mode: 7 }).slice(0, 10)}`,
    );
    assert.deepEqual(engine.unlocked.restore(), []);
    assert.equal(engine.mode('d') & 0o700, 0o700);
    assert.ok(existsSync(engine.note));
    assert.equal(noted(), '');
  });
});
