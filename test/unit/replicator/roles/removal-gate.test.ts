import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import pino from 'pino';
import { RemovalGate } from '../../../../replicator/following/removal-gate.ts';

describe('what a comparison may take away', () => {
  let filesRoot: string;
  let gate: RemovalGate;
  const at = (path: string) => join(filesRoot, path);
  /** As the engine does it. */
  const take = (path: string) => {
    gate.admit(Buffer.from(at(path)), 'leader');
    rmSync(at(path), { recursive: true });
  };
  const put = (folder: string, files: number) => {
    mkdirSync(at(folder), { recursive: true });
    for (let number = 0; number < files; number++) writeFileSync(at(`${folder}/f${number}`), '');
  };
  const held = { code: 'RESYNC_REMOVES_MUCH' };
  beforeEach(() => {
    filesRoot = mkdtempSync(join(tmpdir(), 'holdfast-removals-'));
    const settings = { filesRoot, maxRemovalShare: 0.2 };
    gate = new RemovalGate(settings, pino({ level: 'silent' }), () => {});
  });
  afterEach(() => rmSync(filesRoot, { recursive: true, force: true }));

  it('is a hundred files of a small tree, whatever share of it they are', () => {
    put('d', 150);
    for (let number = 0; number < 100; number++) take(`d/f${number}`);
    assert.throws(() => take('d/f100'), held);
    assert.deepEqual(gate.pending, { files: 101, of: 150, leader: 'leader' });
  });

  it('is a share of a large tree, in which files that are gone by now count', () => {
    put('d', 600);
    for (let number = 0; number < 120; number++) take(`d/f${number}`);
    assert.throws(() => take('d/f120'), held);
    assert.deepEqual(gate.pending, { files: 121, of: 600, leader: 'leader' });
  });

  it('counts all that is in a folder, before it goes', () => {
    put('d/e', 101);
    put('other', 100);
    symlinkSync(at('other'), at('d/link'));
    assert.throws(() => take('d'), held);
    assert.equal(gate.pending?.files, 102);
  });

  it('is what an operator lets go, until another comparison begins', () => {
    put('d', 150);
    put('e', 150);
    assert.throws(() => take('d'), held);
    gate.accept();
    assert.equal(gate.pending, null);
    take('d');
    gate.clear();
    assert.throws(() => take('e'), held);
  });
});
