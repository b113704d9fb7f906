import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OperationWindow } from '../../../../replicator/source/operation-window.ts';

function filled(limitBytes: number, count: number, bytes = 1000): OperationWindow {
  const window = new OperationWindow(limitBytes);
  for (let sequence = 1; sequence <= count; sequence++) {
    window.append({ type: 'operation', epoch: 1, sequence, durable: false, operation: { kind: 'barrier' } }, [
      Buffer.alloc(bytes),
    ]);
  }
  return window;
}

describe('operation window', () => {
  it('finds operations by sequence, and none outside', () => {
    const window = filled(1_000_000, 5);
    assert.equal(window.at(3)?.sequence, 3);
    assert.equal(window.at(0), undefined);
    assert.equal(window.at(6), undefined);
  });

  it('drops the oldest, but nothing that a follower still needs', () => {
    const window = filled(10_000, 20);
    window.trim(5);
    assert.equal(window.first, 6);
    assert.ok(window.full);
    window.trim(20);
    assert.ok(!window.full);
    assert.ok(window.first < 20, 'it keeps some for those who come back');
    assert.equal(window.at(20)?.sequence, 20);
  });

  it('knows who can go on from it', () => {
    const window = filled(10_000, 20);
    window.trim(20);
    assert.ok(window.canResumeAfter(20));
    assert.ok(window.canResumeAfter(window.first - 1));
    assert.ok(!window.canResumeAfter(window.first - 2));
    assert.ok(!window.canResumeAfter(21));
  });

  it('counts the bytes after a place', () => {
    const window = filled(1_000_000, 5);
    assert.equal(window.bytesAfter(5), 0);
    assert.equal(window.bytesAfter(3), 2000);
    assert.equal(window.bytesAfter(0), 5000);
  });

  it('stays right over many rounds of dropping', () => {
    const window = filled(100_000, 20_000, 10);
    window.trim(20_000);
    assert.equal(window.at(20_000)?.sequence, 20_000);
    assert.equal(window.at(window.first)?.sequence, window.first);
    assert.equal(window.at(window.first - 1), undefined);
  });
});
