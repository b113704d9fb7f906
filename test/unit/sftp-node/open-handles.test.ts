import assert from 'node:assert/strict';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { openHandleOf, type WritableFile } from '../../../sftp-node/sftp/handles.ts';

describe('where the file of an open handle is', () => {
  let root: string;
  let fd: number;
  const at = (path: string) => join(root, path);
  const open = (path: string) => {
    fd = openSync(at(path), 'w');
  };
  const found = () => {
    const file = { fd, journalHandle: 7 } as WritableFile;
    return openHandleOf(file, root);
  };
  const isGone = () => assert.deepEqual(found(), { handle: 7, path: Buffer.alloc(0) });

  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-handles-')));
    mkdirSync(at('d'));
  });
  afterEach(() => {
    closeSync(fd);
    rmSync(root, { recursive: true });
  });

  it('is told from the files root, after renames too', () => {
    open('d/f');
    renameSync(at('d/f'), at('d/g'));
    renameSync(at('d'), at('e'));
    assert.deepEqual(found(), { handle: 7, path: Buffer.from('e/g') });
  });

  it('is nowhere when its name is gone, also when another file has what the kernel calls it', () => {
    open('d/f');
    unlinkSync(at('d/f'));
    isGone();
    writeFileSync(at('d/f (deleted)'), '');
    isGone();
  });

  it('is nowhere when its folder is gone, and is a file or a link by now', () => {
    open('d/f');
    unlinkSync(at('d/f'));
    rmdirSync(at('d'));
    isGone();
    writeFileSync(at('d'), '');
    isGone();
    unlinkSync(at('d'));
    symlinkSync('d', at('d'));
    isGone();
  });

  it('is nowhere when a name that was as long as may be is gone', () => {
    open(`d/${'n'.repeat(255)}`);
    unlinkSync(at(`d/${'n'.repeat(255)}`));
    isGone();
  });
});
