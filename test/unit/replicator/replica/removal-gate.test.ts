import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import pino from 'pino';
import { alwaysRemovable, RemovalGate } from '../../../../replicator/replica/removal-gate.ts';

describe('what a comparison may take away by itself', () => {
  let lines: number;
  let changes: number;
  let gate: RemovalGate;
  beforeEach(() => {
    lines = 0;
    changes = 0;
    const write = () => {
      lines += 1;
    };
    const log = pino({ level: 'error' }, { write });
    gate = new RemovalGate(0.2, log, () => {
      changes += 1;
    });
  });
  const held = (files: number, leader = 'b') => ({ files, of: 1000, leader });
  const refuses = (files: number, leader = 'b') =>
    assert.throws(() => gate.check(held(files, leader)), { code: 'RESYNC_REMOVES_MUCH' });

  it('is its share of the files, and of a small tree so many', () => {
    gate.check(held(200));
    refuses(201);
    gate.check({ files: alwaysRemovable, of: alwaysRemovable, leader: 'b' });
  });

  it('is told when it waits, and said once for each number and leader', () => {
    refuses(300);
    assert.deepEqual([gate.held, changes, lines], [held(300), 1, 1]);
    refuses(300);
    assert.equal(lines, 1);
    refuses(301);
    refuses(301, 'c');
    assert.equal(lines, 3);
    const before = changes;
    gate.clear();
    assert.deepEqual([gate.held, changes], [null, before + 1]);
    gate.clear();
    assert.equal(changes, before + 1);
  });

  it('is more once, when an operator says so', () => {
    gate.accept(300);
    gate.check(held(500));
    refuses(501);
    gate.clear();
    refuses(300);
  });
});
