import assert from 'node:assert/strict';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { OpenFlags, Operation } from '#contracts/journal/operation.ts';
import { Applier } from '../../../../replicator/replica/apply.ts';
import { Tree } from '../../../../replicator/tree/tree.ts';

const path = (name: string) => Buffer.from(name);
const create: OpenFlags = { create: true, exclusive: false, truncate: true };
const existing: OpenFlags = { create: false, exclusive: false, truncate: false };
const open = (handle: number, name: string, flags = create, mode = 0o640): Operation => ({
  kind: 'open',
  handle,
  path: path(name),
  flags,
  mode,
});
const write = (handle: number, offset: number, text: string): Operation => ({
  kind: 'write',
  handle,
  offset,
  data: Buffer.from(text),
});

describe('applying operations', () => {
  let root: string;
  let outside: string;
  let applier: Applier;
  const openFiles = () => readdirSync('/proc/self/fd').length;
  const apply = (...operations: Operation[]) => {
    for (const operation of operations) applier.apply(operation, false);
  };
  const content = (name: string) => readFileSync(join(root, name), 'utf8');

  beforeEach(() => {
    outside = mkdtempSync(join(tmpdir(), 'holdfast-apply-'));
    root = join(outside, 'files');
    mkdirSync(root);
    applier = new Applier(new Tree(root));
  });
  afterEach(() => {
    applier.closeAll();
    rmSync(outside, { recursive: true });
  });

  it('writes through handles, whatever the name becomes', () => {
    apply(open(1, 'a'), write(1, 0, 'one'), { kind: 'rename', from: path('a'), to: path('b') });
    apply(write(1, 3, ' two'), { kind: 'remove', path: path('b') }, write(1, 0, 'gone'));
    apply({ kind: 'close', handle: 1 });
    assert.deepEqual(readdirSync(root), []);
    apply(open(1, 'c'), write(1, 5, 'x'), { kind: 'close', handle: 1 });
    assert.equal(content('c'), '\0\0\0\0\0x');
    assert.equal(statSync(join(root, 'c')).mode & 0o777, 0o640 & ~process.umask());
  });

  it('does each of the other kinds', () => {
    apply({ kind: 'mkdir', path: path('d'), mode: 0o755 }, open(1, 'd/a'), write(1, 0, 'abcdef'));
    apply({ kind: 'set-handle-attributes', handle: 1, attributes: { size: 3, mode: 0o600 } });
    apply({ kind: 'set-attributes', path: path('d/a'), attributes: { accessedAt: 5, modifiedAt: 7 } });
    apply({ kind: 'symlink', path: path('l'), target: path('/etc/passwd') });
    apply({ kind: 'link', existing: path('d/a'), path: path('hard') });
    apply({ kind: 'mkdir', path: path('e'), mode: 0o755 }, { kind: 'rmdir', path: path('e') });
    const stats = statSync(join(root, 'd/a'));
    assert.deepEqual([stats.mode & 0o777, stats.atimeMs, stats.mtimeMs, stats.nlink], [0o600, 5000, 7000, 2]);
    assert.equal(content('hard'), 'abc');
    assert.equal(readlinkSync(join(root, 'l')), '/etc/passwd');
    assert.ok(!existsSync(join(root, 'e')));
  });

  it('follows no symbolic link, neither on the way nor at the end', () => {
    writeFileSync(join(outside, 'secret'), 'secret');
    symlinkSync(outside, join(root, 'out'));
    symlinkSync(join(outside, 'secret'), join(root, 'link'));
    const attempts: Operation[] = [
      open(1, 'out/new'),
      open(2, 'link'),
      open(3, 'link', existing),
      { kind: 'remove', path: path('out/secret') },
      { kind: 'mkdir', path: path('out/d'), mode: 0o755 },
      { kind: 'rename', from: path('link'), to: path('out/moved') },
      { kind: 'set-attributes', path: path('out/secret'), attributes: { size: 0 } },
      { kind: 'set-attributes', path: path('link'), attributes: { size: 0 } },
      { kind: 'link', existing: path('out/secret'), path: path('stolen') },
      { kind: 'rename', from: path('link'), to: path('../moved') },
    ];
    for (const attempt of attempts) assert.throws(() => apply(attempt), Error, JSON.stringify(attempt));
    assert.equal(readFileSync(join(outside, 'secret'), 'utf8'), 'secret');
    assert.deepEqual(readdirSync(outside).sort(), ['files', 'secret']);
  });

  it('says so when the tree is not what the leader thinks', () => {
    writeFileSync(join(root, 'there'), '');
    mkdirSync(join(root, 'dir'));
    const impossible: Operation[] = [
      open(1, 'missing', existing),
      open(1, 'there', { create: true, exclusive: true, truncate: false }),
      open(1, 'dir', existing),
      { kind: 'remove', path: path('missing') },
      { kind: 'mkdir', path: path('dir'), mode: 0o755 },
      { kind: 'rename', from: path('missing'), to: path('x') },
      { kind: 'close', handle: 99 },
      write(99, 0, 'x'),
      { kind: 'rmdir', path: path('') },
    ];
    for (const operation of impossible)
      assert.throws(() => apply(operation), Error, JSON.stringify(operation));
  });

  it('takes over the open files of a catch-up, and those that were removed while open', () => {
    writeFileSync(join(root, 'half'), 'half');
    applier.adopt([
      { handle: 5, path: path('half') },
      { handle: 6, path: path('') },
    ]);
    apply(write(5, 4, ' whole'), write(6, 0, 'nowhere'));
    apply({ kind: 'close', handle: 5 }, { kind: 'close', handle: 6 });
    assert.equal(content('half'), 'half whole');
    assert.deepEqual(readdirSync(root), ['half']);
  });

  it('keeps no file or directory open beyond the flush', async () => {
    const before = openFiles();
    for (let count = 0; count < 20; count++) {
      applier.apply(open(count, `f${count}`), false);
      applier.apply(write(count, 0, 'x'), false);
      applier.apply({ kind: 'close', handle: count }, count % 2 === 0);
    }
    await applier.flush();
    applier.wantAll();
    await applier.flush();
    assert.equal(openFiles(), before);
    apply(open(1, 'g'), { kind: 'mkdir', path: path('d'), mode: 0o755 });
    applier.closeAll();
    assert.equal(openFiles(), before);
  });

  it('replaces a name by rename as the leader did', () => {
    writeFileSync(join(root, 'a'), 'new');
    writeFileSync(join(root, 'b'), 'old');
    linkSync(join(root, 'b'), join(root, 'c'));
    apply({ kind: 'rename', from: path('a'), to: path('b') });
    assert.equal(content('b'), 'new');
    assert.equal(content('c'), 'old');
    assert.equal(lstatSync(join(root, 'b')).nlink, 1);
  });
});
