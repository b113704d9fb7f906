import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { lookOnHosts } from '../../torture/check/on-hosts.ts';
import { explained } from '../../torture/explanation.ts';
import { Notes } from '../../torture/notes.ts';

describe('a wrong answer about a folder', () => {
  let base: string;
  let notes: Notes;
  const sent = (what: string, ...paths: string[]) => notes.history.sent('client', what, paths)('ok');

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'holdfast-explanation-'));
    mkdirSync(join(base, 'a/d/left'), { recursive: true });
    mkdirSync(join(base, 'b/d'), { recursive: true });
    mkdirSync(join(base, 'c'));
    writeFileSync(join(base, 'c/d'), 'file');
    notes = new Notes();
    const homes = new Map(['a', 'b', 'c', 'e'].map((name) => [name, join(base, name)]));
    notes.violations.look = (path) => lookOnHosts(homes, path);
  });
  afterEach(() => rmSync(base, { recursive: true }));

  it('is told with what was below it, what each host had there, and how that came there', () => {
    sent('mkdir', 'old');
    sent('mkdir', 'old/left');
    sent('remove', 'old/gone');
    sent('mkdir', 'other/left');
    sent('rename', 'old', 'd');
    notes.violations.add('answers', 'not empty', 'd');
    const [violation] = notes.violations.list;
    assert.ok(violation);
    const lines = explained(violation, notes).map((line) =>
      line.replace(/[\d.]+ s client |: ok after.*/g, ''),
    );
    assert.deepEqual(
      lines.map((line) => line.trim()),
      [
        'mkdir old',
        'rename old -> d',
        'below it:',
        'mkdir old/left',
        'remove old/gone',
        'on a: a folder with left',
        'on b: an empty folder',
        'on c: a file of 4 bytes',
        'on e: ENOENT',
        'left in it:',
        'mkdir old',
        'mkdir old/left',
        'rename old -> d',
      ],
    );
  });

  it('is looked at for the first few, and no other violation is', () => {
    notes.violations.add('acknowledged', 'missing', 'd');
    for (let count = 0; count < 6; count++) notes.violations.add('answers', 'not empty', 'd');
    assert.deepEqual(
      notes.violations.list.map(({ onHosts }) => onHosts.length),
      [0, 4, 4, 4, 4, 4, 0],
    );
  });
});
