import assert from 'node:assert/strict';
import {
  chmodSync,
  cpSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { readTree } from '../../torture/check/disk-tree.ts';
import { checkQuarantine } from '../../torture/check/quarantine.ts';
import { differencesOf } from '../../torture/check/trees.ts';
import { digestOf } from '../../torture/clients/workspace.ts';
import { Violations } from '../../torture/violations.ts';

describe('two trees', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-trees-'));
    const leader = join(folder, 'leader');
    mkdirSync(join(leader, 'd'), { recursive: true });
    writeFileSync(join(leader, 'd/f'), 'content');
    linkSync(join(leader, 'd/f'), join(leader, 'g'));
    symlinkSync('target', join(leader, 'l'));
    copyTree(leader, join(folder, 'standby'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function copyTree(from: string, to: string): void {
    cpSync(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    rmSync(join(to, 'g'));
    linkSync(join(to, 'd/f'), join(to, 'g'));
    for (const name of ['d', 'd/f']) utimesSync(join(from, name), 1000, 1000);
    for (const name of ['d', 'd/f']) utimesSync(join(to, name), 1000, 1000);
    lutimesSync(join(from, 'l'), 1000, 1000);
    lutimesSync(join(to, 'l'), 1000, 1000);
  }

  function found(): string[] {
    const trees = ['leader', 'standby'].map((name) => readTree(join(folder, name)));
    const [leader = new Map(), standby = new Map()] = trees;
    return differencesOf(leader, standby).map(({ check, path }) => `${check} ${path}`);
  }
  const at = (path: string) => join(folder, 'standby', path);

  it('are equal', () => assert.deepEqual(found(), []));

  for (const [what, change, expected] of [
    ['a name that is missing', () => rmSync(at('l')), ['equal-trees l']],
    ['one too many', () => mkdirSync(at('x')), ['equal-trees x']],
    ['bytes', () => writeFileSync(at('d/f'), 'CONTENT'), ['equal-trees d/f', 'equal-trees g']],
    ['a mode', () => chmodSync(at('d'), 0o700), ['equal-trees d']],
    ['a time', () => utimesSync(at('d/f'), 1000, 1001), ['file-times d/f', 'file-times g']],
    ['the time of a folder', () => utimesSync(at('d'), 1000, 1001), ['folder-times d']],
    ['the time of a link', () => lutimesSync(at('l'), 1000, 1001), ['link-times l']],
  ] as const) {
    it(`differ in ${what}`, () => {
      change();
      const seen = found().filter((line) => expected.some((each) => each === line));
      assert.deepEqual([...new Set(seen)].sort(), [...expected].sort());
    });
  }

  it('differ in the target of a link, and in what is one file under two names', () => {
    rmSync(at('l'));
    symlinkSync('elsewhere', at('l'));
    renameSync(at('g'), at('h'));
    cpSync(at('h'), at('g'), { preserveTimestamps: true });
    assert.ok(found().includes('equal-trees l'));
    assert.ok(found().includes('hard-links d/f'));
  });

  it('have a quarantine in which nothing was ever acknowledged', () => {
    mkdirSync(at('q/aside-7-time'), { recursive: true });
    mkdirSync(at('q/.staging'));
    for (const name of ['aside-7-time/000001.json', 'aside-7-time/000002-old', '.staging/x'])
      writeFileSync(at(`q/${name}`), 'old');
    writeFileSync(at('q/aside-7-time/000001-new'), 'new');
    const violations = new Violations();
    const counts = checkQuarantine('b', at('q'), new Set([digestOf(Buffer.from('old'))]), violations);
    assert.deepEqual(counts, { host: 'b', files: 2, acknowledged: 1 });
    assert.match(violations.list[0]?.what ?? '', /^on b: aside-7-time\/000002-old has a content/);
  });
});
