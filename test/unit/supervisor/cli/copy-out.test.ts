import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { codeOf } from '#contracts/errors.ts';
import { copyOut } from '../../../../supervisor/cli/copy-out.ts';
import { fsyncs } from '../../fsyncs.ts';

describe('copying out of quarantine', () => {
  let base: string;
  const at = (name: string) => join(base, name);
  const thing = (name: string) => join(base, 'data/quarantine/batch', name);
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'holdfast-copy-'));
    mkdirSync(at('data/quarantine/batch'), { recursive: true });
    mkdirSync(at('data/files'));
  });
  afterEach(() => rmSync(base, { recursive: true }));

  function copy(name: string, path: string, into = at('back'), place = `batch/${name}`) {
    return copyOut({
      quarantineRoot: at('data/quarantine'),
      place: Buffer.from(place),
      path: Buffer.from(path),
      into,
      ownFolders: [at('data')],
    });
  }
  const refusedWith = (code: string) => (error: unknown) => codeOf(error) === code;

  it('brings content, mode and time to the path it had, below the folder', () => {
    writeFileSync(thing('000001-f'), Buffer.alloc(3_000_000, 'x'));
    chmodSync(thing('000001-f'), 0o4640);
    utimesSync(thing('000001-f'), 1_600_000_000, 1_600_000_000);
    fsyncs.reset();
    const { to } = copy('000001-f', 'alice/in/f');
    const made = ['back', 'back/alice', 'back/alice/in', 'back/alice/in/f'].map(at);
    assert.deepEqual(fsyncs.paths, [base, ...made]);
    assert.equal(to, `${at('back')}/alice/in/f`);
    assert.equal(readFileSync(at('back/alice/in/f')).length, 3_000_000);
    const { mode, mtimeMs } = statSync(at('back/alice/in/f'));
    assert.deepEqual([mode & 0o7777, mtimeMs], [0o640, 1_600_000_000_000]);
    assert.ok(existsSync(thing('000001-f')), 'it stays in quarantine');
  });

  it('brings what a file has between holes, and leaves the holes', () => {
    writeFileSync(thing('000001-f'), 'begin');
    truncateSync(thing('000001-f'), 64 << 20);
    appendFileSync(thing('000001-f'), 'end');
    truncateSync(thing('000001-f'), 96 << 20);
    copy('000001-f', 'f');
    assert.ok(readFileSync(at('back/f')).equals(readFileSync(thing('000001-f'))));
    assert.ok(statSync(at('back/f')).blocks * 512 <= 4 << 20);
  });

  it('brings folders whole, links as links', () => {
    mkdirSync(thing('000001-d/e'), { recursive: true });
    writeFileSync(thing('000001-d/e/f'), 'text');
    symlinkSync('/etc/passwd', thing('000001-d/link'));
    chmodSync(thing('000001-d/e'), 0o555);
    copy('000001-d', 'd');
    assert.equal(readFileSync(at('back/d/e/f'), 'utf8'), 'text');
    assert.equal(statSync(at('back/d/e')).mode & 0o777, 0o555);
    assert.equal(readlinkSync(at('back/d/link')), '/etc/passwd');
    chmodSync(at('back/d/e'), 0o755);
    chmodSync(thing('000001-d/e'), 0o755);
  });

  it('overwrites nothing', () => {
    writeFileSync(thing('000001-f'), 'aside');
    mkdirSync(at('back'));
    writeFileSync(at('back/f'), 'there before');
    assert.throws(() => copy('000001-f', 'f'), refusedWith('RESTORE_REFUSED'));
    rmSync(at('back/f'));
    symlinkSync(at('elsewhere'), at('back/f'));
    assert.throws(() => copy('000001-f', 'f'), refusedWith('RESTORE_REFUSED'));
    assert.equal(existsSync(at('elsewhere')), false);
    mkdirSync(thing('000002-d'));
    mkdirSync(at('back/d'));
    assert.throws(() => copy('000002-d', 'd'), refusedWith('RESTORE_REFUSED'));
  });

  it('goes through no link that an earlier copy brought', () => {
    mkdirSync(at('outside'));
    symlinkSync(at('outside'), thing('000001-link'));
    writeFileSync(thing('000002-f'), 'text');
    copy('000001-link', 'a');
    assert.throws(() => copy('000002-f', 'a/f'), refusedWith('RESTORE_REFUSED'));
    assert.deepEqual(readdirSync(at('outside')), []);
  });

  it('reads through no link in the quarantine', () => {
    mkdirSync(at('outside'));
    writeFileSync(at('outside/000001-f'), 'not of the quarantine');
    symlinkSync(at('outside'), at('data/quarantine/linked'));
    assert.throws(() => copy('', 'f', at('back'), 'linked/000001-f'), refusedWith('RESTORE_REFUSED'));
    symlinkSync(at('outside/000001-f'), thing('000001-f'));
    copy('000001-f', 'f');
    assert.equal(readlinkSync(at('back/f')), at('outside/000001-f'));
  });

  for (const path of ['../f', 'a/../../f', '/etc/f', 'a//f', '', 'a/.']) {
    it(`refuses the path ${JSON.stringify(path)}`, () => {
      writeFileSync(thing('000001-f'), 'text');
      assert.throws(() => copy('000001-f', path), refusedWith('RESTORE_REFUSED'));
      assert.throws(() => copy('', 'f', at('back'), path), refusedWith('RESTORE_REFUSED'));
      assert.equal(existsSync(at('f')), false);
    });
  }

  it('copies into no folder of the service, also not by a link, and makes none there', () => {
    writeFileSync(thing('000001-f'), 'text');
    symlinkSync(at('data/files'), at('harmless'));
    for (const into of ['data', 'data/files', 'data/files/new', 'harmless', 'harmless/new']) {
      assert.throws(() => copy('000001-f', 'f', at(into)), refusedWith('RESTORE_REFUSED'), into);
    }
    assert.deepEqual(readdirSync(at('data/files')), []);
    copy('000001-f', 'f', at('database'));
  });

  it('leaves nothing of what it could not finish', () => {
    mkdirSync(thing('000001-d'));
    writeFileSync(thing('000001-d/a'), 'text');
    let deep = thing('000001-d');
    for (let depth = 0; depth < 210; depth++) {
      deep = join(deep, 'd');
      mkdirSync(deep);
    }
    assert.throws(() => copy('000001-d', 'd'), refusedWith('RESTORE_FAILED'));
    assert.deepEqual(readdirSync(at('back')), []);
    assert.throws(() => copy('nothing', 'f'), refusedWith('RESTORE_FAILED'));
    assert.throws(() => copy('000001-d', 'd', at('no/such/parent')), refusedWith('RESTORE_FAILED'));
  });
});
