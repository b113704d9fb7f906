import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { execa } from 'execa';
import { errnoOf } from '../../../../replicator/apply/errno.ts';
import { assertCode, bytes, Engine, openDescriptors, record } from './engine.ts';

const home = bytes('homes/alice');

describe('resolving what a client says', () => {
  let engine: Engine;
  let descriptors: number;
  beforeEach(() => {
    descriptors = openDescriptors();
    engine = new Engine();
    for (const path of ['homes', 'homes/alice', 'homes/alice/d', 'homes/alice/d/e', 'homes/bob'])
      engine.apply(record.mkdir(path));
    engine.put('homes/alice/f', 'mine');
    engine.put('homes/bob/f', 'not mine');
  });
  afterEach(() => {
    engine.remove();
    assert.equal(openDescriptors(), descriptors);
  });
  const resolve = (path: string, follow = true) =>
    engine.resolver.resolve(home, bytes(path), { follow }).path.toString('latin1');
  const link = (at: string, target: string) => symlinkSync(target, join(engine.root, 'homes/alice', at));

  it('gives the path from the files root, without dots and links', () => {
    const table: [string, string][] = [
      ['f', 'homes/alice/f'],
      ['/f', 'homes/alice/f'],
      ['//d//e', 'homes/alice/d/e'],
      ['./d/./e/.', 'homes/alice/d/e'],
      ['d/e/', 'homes/alice/d/e'],
      ['d/e/..', 'homes/alice/d'],
      ['d/../f', 'homes/alice/f'],
      ['new', 'homes/alice/new'],
      ['d/new\xff', 'homes/alice/d/new\xff'],
      ['', 'homes/alice'],
      ['/', 'homes/alice'],
      ['.', 'homes/alice'],
      ['..', 'homes/alice'],
      ['../../..', 'homes/alice'],
      ['/../bob/../f', 'homes/alice/f'],
    ];
    mkdirSync(join(engine.root, 'homes/alice/bob'));
    for (const [asked, path] of table) assert.equal(resolve(asked), path, JSON.stringify(asked));
    for (const asked of ['', '/', '..', 'd/..'])
      assert.ok(engine.resolver.resolve(home, bytes(asked), { follow: true }).isRoot, asked);
    assert.ok(!engine.resolver.resolve(home, bytes('d'), { follow: true }).isRoot);
    assert.equal(
      engine.resolver.resolve(bytes(''), bytes('/homes/../x'), { follow: true }).path.toString(),
      'x',
    );
  });

  it('follows links inside of the root only, the absolute ones from there', () => {
    link('to-e', 'd/e');
    link('abs', '/d/e');
    link('up', '../../../homes/bob/f');
    link('d/back', '../to-e');
    link('out', '/etc/passwd');
    link('chain', 'd/back');
    link('d/to-top', '/f');
    const table: [string, boolean, string][] = [
      ['to-e', true, 'homes/alice/d/e'],
      ['to-e', false, 'homes/alice/to-e'],
      ['to-e/', false, 'homes/alice/d/e'],
      ['to-e/x', false, 'homes/alice/d/e/x'],
      ['abs/x', true, 'homes/alice/d/e/x'],
      ['d/to-top', true, 'homes/alice/f'],
      ['chain/x', true, 'homes/alice/d/e/x'],
      ['d/back/../x', true, 'homes/alice/d/x'],
    ];
    for (const [asked, follow, path] of table) assert.equal(resolve(asked, follow), path, asked);
    assertCode('ENOENT', () => resolve('up'));
    assertCode('ENOENT', () => resolve('out'));
    mkdirSync(join(engine.root, 'homes/alice/etc'));
    assert.equal(resolve('out'), 'homes/alice/etc/passwd');
  });

  it('says why it leads nowhere', () => {
    link('loop', 'loop');
    link('dangling', 'nowhere');
    link('a', 'b');
    link('b', 'a');
    const table: [string, string][] = [
      ['ENOENT', 'missing/x'],
      ['ENOENT', 'missing/'],
      ['ENOENT', 'missing/..'],
      ['ENOTDIR', 'f/x'],
      ['ENOTDIR', 'f/'],
      ['ENOTDIR', 'f/..'],
      ['ELOOP', 'loop'],
      ['ELOOP', 'a/x'],
      ['ENOENT', 'dangling/x'],
      ['ENAMETOOLONG', 'x'.repeat(256)],
      ['ENAMETOOLONG', `d/${'x'.repeat(256)}/y`],
      ['ENAMETOOLONG', 'x/'.repeat(40_000)],
      ['ENAMETOOLONG', 'd/../'.repeat(2000)],
      ['ENAMETOOLONG', './'.repeat(20_000)],
      ['EINVAL', 'a\0b'],
    ];
    for (const [code, asked] of table) assertCode(code, () => resolve(asked), asked.slice(0, 40));
    assert.equal(resolve('dangling'), 'homes/alice/nowhere', 'what a file is made by');
    assertCode('ENOENT', () => engine.resolver.resolve(bytes('homes/carol'), bytes('x'), { follow: true }));
    link('homelink', '.');
    assertCode('ENOTDIR', () =>
      engine.resolver.resolve(bytes('homes/alice/homelink'), bytes('x'), { follow: true }),
    );
  });

  it('bounds what links can make of a path', () => {
    link('l0', `${'d/../'.repeat(800)}d`);
    for (let n = 1; n < 30; n++) link(`l${n}`, `l${n - 1}/../l${n - 1}/../l${n - 1}`);
    assert.throws(
      () => resolve('l29'),
      (error) => errnoOf(error) === 'ELOOP' || errnoOf(error) === 'ENAMETOOLONG',
    );
    link('c0', 'd');
    for (let n = 1; n < 45; n++) link(`c${n}`, `c${n - 1}`);
    assert.equal(resolve('c39'), 'homes/alice/d');
    assertCode('ELOOP', () => resolve('c40'));
  });

  it('sees at once what was moved, removed or became a link, although it keeps handles', () => {
    assert.equal(resolve('d/e/x'), 'homes/alice/d/e/x');
    engine.apply(record.rename('homes/alice/d', 'homes/alice/g'));
    assertCode('ENOENT', () => resolve('d/e/x'));
    engine.apply(record.symlink('homes/alice/d', 'g'));
    assert.equal(resolve('d/e/x'), 'homes/alice/g/e/x');
    engine.apply(record.remove('homes/alice/d'), record.symlink('homes/alice/d', '/../../bob'));
    assertCode('ENOENT', () => resolve('d/f'));
    engine.apply(record.rmdir('homes/alice/g/e'));
    assertCode('ENOENT', () => resolve('g/e/x'));
  });

  it('never leads out, nor do the records that come of it, while somebody swaps folders for links and back', async () => {
    const outside = join(engine.folder, 'outside');
    mkdirSync(join(outside, 'e'), { recursive: true });
    mkdirSync(join(engine.root, 'homes/bob/e'));
    const inside = join(engine.root, 'homes/alice');
    const script = `
      import { renameSync, symlinkSync, unlinkSync } from 'node:fs';
      const [, inside, outside] = process.argv;
      process.stdout.write('ready');
      for (let n = 0; ; n++) {
        renameSync(inside + '/d', inside + '/kept');
        symlinkSync(n % 2 === 0 ? outside : '../../homes/bob', inside + '/d');
        unlinkSync(inside + '/d');
        renameSync(inside + '/kept', inside + '/d');
      }`;
    const swapper = execa(process.execPath, ['--input-type=module', '--eval', script, inside, outside], {
      buffer: false,
      reject: false,
    });
    await new Promise((resolve) => swapper.stdout?.once('data', resolve));
    const outcomes = { made: 0, refused: 0 };
    try {
      for (let n = 0; n < 20_000 && (n < 3000 || outcomes.made === 0 || outcomes.refused === 0); n++) {
        try {
          const path = engine.resolver.resolve(home, bytes(`d/e/x${n % 7}`), { follow: true }).path;
          assert.ok(path.toString().startsWith('homes/alice/d/e/x'), path.toString());
          engine.applier.apply({ kind: 'mkdir', path, mode: 0o755 });
          outcomes.made += 1;
          engine.applier.apply({ kind: 'rmdir', path });
        } catch (error) {
          if (!['ENOENT', 'ENOTDIR', 'EEXIST', 'ENAMETOOLONG'].includes(errnoOf(error) ?? '')) throw error;
          outcomes.refused += 1;
        }
      }
    } finally {
      swapper.kill('SIGKILL');
      await swapper;
    }
    assert.ok(outcomes.made > 0 && outcomes.refused > 0, JSON.stringify(outcomes));
    assert.deepEqual(readdirSync(outside, { recursive: true }), ['e']);
    assert.deepEqual(readdirSync(join(engine.root, 'homes/bob'), { recursive: true }).sort(), ['e', 'f']);
  });
});
