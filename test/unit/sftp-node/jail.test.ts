import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { Jail } from '../../../sftp-node/paths/jail.ts';

describe('the jail of a user', () => {
  let root: string;
  let jail: Jail;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
    mkdirSync(join(root, 'alice/sub'), { recursive: true });
    mkdirSync(join(root, 'bob'));
    writeFileSync(join(root, 'bob/secret'), 'secret');
    writeFileSync(join(root, 'alice/file'), 'mine');
    jail = new Jail(root, 'alice');
  });
  afterEach(() => {
    jail.close();
    rmSync(root, { recursive: true, force: true });
  });

  const relative = (path: string, follow = true) =>
    jail.with(Buffer.from(path), { follow }, (place) => place.relative.toString());
  const content = (path: string) =>
    jail.with(Buffer.from(path), { follow: true }, (place) => readFileSync(place.at, 'utf8'));

  it('names places from the files root', () => {
    assert.equal(relative('/file'), 'alice/file');
    assert.equal(relative('sub/../file'), 'alice/file');
    assert.equal(relative('/sub/new'), 'alice/sub/new');
    assert.equal(relative('//sub///'), 'alice/sub');
    assert.equal(relative('.'), 'alice');
  });

  it('has no way out by ".."', () => {
    assert.equal(relative('../../../bob', false), 'alice/bob', 'above the home is the home');
    assert.throws(() => content('../bob/secret'), { code: 'ENOENT' });
    assert.throws(() => content('sub/../../../bob/secret'), { code: 'ENOENT' });
  });

  it('follows links inside of itself alone', () => {
    symlinkSync('../file', join(root, 'alice/sub/up'));
    symlinkSync('/file', join(root, 'alice/absolute'));
    assert.equal(content('/sub/up'), 'mine');
    assert.equal(content('absolute'), 'mine', 'an absolute target starts at the home');
    symlinkSync('../../bob/secret', join(root, 'alice/sub/out'));
    symlinkSync(join(root, 'bob'), join(root, 'alice/bobs'));
    symlinkSync('/etc/passwd', join(root, 'alice/passwd'));
    assert.throws(() => content('/sub/out'), { code: 'ENOENT' });
    assert.throws(() => content('/bobs/secret'), { code: 'ENOENT' });
    assert.throws(() => content('/passwd'), { code: 'ENOENT' });
  });

  it('gives up on loops', () => {
    symlinkSync('b', join(root, 'alice/a'));
    symlinkSync('a', join(root, 'alice/b'));
    assert.throws(() => content('/a'), /Too many symbolic links/);
  });

  it('keeps names that are not UTF-8', () => {
    const name = Buffer.from([0x66, 0xff, 0xfe]);
    jail.with(name, { follow: true }, (place) => writeFileSync(place.at, 'x'));
    const names = readdirSync(join(root, 'alice'), { encoding: 'buffer' });
    assert.ok(names.some((entry) => entry.equals(name)));
  });

  it('shows the client canonical paths of its own', () => {
    symlinkSync('sub', join(root, 'alice/link'));
    assert.equal(jail.canonical(Buffer.from('link/../sub/./x')).toString(), '/sub/x');
    assert.equal(jail.canonical(Buffer.from('.')).toString(), '/');
    assert.equal(jail.canonical(Buffer.from('/../..')).toString(), '/');
  });

  it('names places by where the home is now: a user whose home contains it may rename it', () => {
    const nested = new Jail(root, 'alice/sub');
    mkdirSync(join(root, 'alice/sub/x'));
    const named = () =>
      nested.with(Buffer.from('/x/y'), { follow: false }, (place) => place.relative.toString());
    assert.equal(named(), 'alice/sub/x/y');
    renameSync(join(root, 'alice/sub'), join(root, 'alice/moved'));
    assert.equal(named(), 'alice/moved/x/y');
    nested.close();
  });

  it('follows a link that is named as a directory, also where links are not followed', () => {
    symlinkSync('sub', join(root, 'alice/link'));
    assert.equal(relative('/link', false), 'alice/link');
    assert.equal(relative('/link/', false), 'alice/sub');
  });

  it('follows forty links, and no more', () => {
    for (let index = 0; index < 41; index++)
      symlinkSync(index === 0 ? 'file' : `l${index - 1}`, join(root, `alice/l${index}`));
    assert.equal(content('/l39'), 'mine');
    assert.throws(() => content('/l40'), /Too many symbolic links/);
  });

  it('goes 256 directories deep, and leaves none open', () => {
    const open = () => readdirSync('/proc/self/fd').length;
    const before = open();
    mkdirSync(join(root, 'alice', ...Array.from({ length: 257 }, () => 'd')), { recursive: true });
    assert.equal(relative('d/'.repeat(255)).length, 'alice'.length + 510);
    assert.throws(() => relative(`${'d/'.repeat(257)}x`), /too deep/);
    assert.throws(() => relative('no/such/place'), { code: 'ENOENT' });
    assert.equal(open(), before);
  });

  it('does not make a home out of a link', () => {
    symlinkSync('bob', join(root, 'mallory'));
    assert.throws(() => new Jail(root, 'mallory'), { code: 'ENOTDIR' });
  });

  it('stays inside while somebody swaps a directory for a link all the time', async () => {
    const swapped = join(root, 'alice/swap');
    mkdirSync(join(root, 'aside'));
    writeFileSync(join(root, 'aside/secret'), 'public');
    const swapper = new Worker(
      `const fs = require('node:fs');
       const [at, bob] = require('node:worker_threads').workerData;
       for (;;) {
         fs.mkdirSync(at); fs.writeFileSync(at + '/secret', 'public');
         fs.rmSync(at, { recursive: true }); fs.symlinkSync(bob, at); fs.unlinkSync(at);
       }`,
      { eval: true, workerData: [swapped, join(root, 'bob')] },
    );
    const tryToRead = () => {
      try {
        return content('/swap/secret');
      } catch {
        return null;
      }
    };
    let read = 0;
    const endsMs = performance.now() + 20_000;
    try {
      // The other thread may take its time to start: until then nothing is swapped.
      for (let turn = 0; (turn < 4000 || read < 10) && performance.now() < endsMs; turn++) {
        const found = tryToRead();
        if (found !== null) read += 1;
        assert.notEqual(found, 'secret');
        if (turn % 200 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      await swapper.terminate();
    }
    assert.ok(read > 0, 'the race was never run');
  });
});
