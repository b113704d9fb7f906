import assert from 'node:assert/strict';
import { lstatSync, mkdtempSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { longname } from '../../../sftp-node/sftp/longname.ts';

const now = Date.UTC(2026, 6, 1, 12, 0);

describe('a line of a listing', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function lineOf(at: number): string {
    const file = join(folder, 'f');
    writeFileSync(file, 'four', { mode: 0o640 });
    utimesSync(file, at / 1000, at / 1000);
    return longname(Buffer.from('f'), statSync(file), 'alice', now).toString();
  }

  it('is as ls -l prints it, with the time of day for what is recent', () => {
    assert.equal(
      lineOf(Date.UTC(2026, 5, 3, 9, 5)),
      '-rw-r-----    1 alice    alice             4 Jun  3 09:05 f',
    );
  });

  it('has the year for what is old, or in the future', () => {
    assert.match(lineOf(Date.UTC(2020, 0, 31, 9, 5)), / Jan 31 {2}2020 f$/);
    assert.match(lineOf(Date.UTC(2026, 6, 2)), / Jul {2}2 {2}2026 f$/);
  });

  it('tells directories and links', () => {
    symlinkSync('x', join(folder, 'link'));
    const line = (name: string) =>
      longname(Buffer.from(name), lstatSync(join(folder, name)), 'a', now).toString();
    assert.match(line('link'), /^lrwxrwxrwx /);
    assert.match(line('.'), /^drwx------ /);
  });

  it('keeps the bytes of a name', () => {
    const name = Buffer.from([0x66, 0xff]);
    const line = longname(name, statSync(folder), 'a', now);
    assert.ok(line.subarray(-2).equals(name));
  });
});
