import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LoggedBatch } from '../../../../replicator/log/batch-reader.ts';
import { SendWindow } from '../../../../replicator/peers/send-window.ts';

const none = Buffer.alloc(0);

function append(window: SendWindow, dataBytes: number): void {
  const first = window.next;
  const batch: LoggedBatch = { epoch: 1, first, last: first + 1, previous: none, payload: none, chain: none };
  window.append(batch, [Buffer.alloc(dataBytes), null]);
}

describe('the window of what is sent', () => {
  it('keeps the latest batches within its bound', () => {
    const window = new SendWindow(10_000, 5);
    for (let count = 0; count < 100; count++) {
      append(window, 1000);
      window.trim(window.next - 1);
      assert.ok(window.bytes <= 10_000);
    }
    assert.equal(window.next, 205);
    assert.equal(window.at(5), undefined);
    assert.equal(window.at(203)?.batch.first, 203);
    assert.equal(window.at(204), undefined, 'no batch begins there');
  });

  it('keeps what a member has not received up to twice the bound, and no more', () => {
    const window = new SendWindow(10_000, 1);
    for (let count = 0; count < 12; count++) {
      append(window, 1000);
      window.trim(2);
    }
    assert.ok(window.bytes > 10_000);
    assert.ok(window.at(3) !== undefined, 'it is not received');
    for (let count = 0; count < 100; count++) {
      append(window, 1000);
      window.trim(2);
      assert.ok(window.bytes <= 20_000);
    }
    window.trim(window.next - 1);
    assert.ok(window.bytes <= 10_000);
  });

  it('drops at once what everybody has received', () => {
    const window = new SendWindow(10_000, 1);
    for (let count = 0; count < 5; count++) append(window, 1000);
    window.trim(8, 6);
    assert.equal(window.at(5), undefined);
    assert.ok(window.at(7) !== undefined, 'somebody has not received it');
    assert.equal(window.lackingBytes(6), window.bytes);
  });

  it('tells how much is lacking behind a sequence, as far as it has it', () => {
    const window = new SendWindow(10_000, 1);
    append(window, 1000);
    const each = window.bytes;
    append(window, 1000);
    append(window, 1000);
    assert.deepEqual(
      [0, 2, 4, 6].map((sequence) => window.lackingBytes(sequence)),
      [3 * each, 2 * each, each, 0],
    );
    for (let count = 0; count < 20; count++) append(window, 1000);
    window.trim(window.next - 1);
    assert.equal(window.lackingBytes(0), window.bytes, 'what is gone does not count');
  });

  it('takes batches without gaps', () => {
    const window = new SendWindow(10_000, 3);
    const batch: LoggedBatch = { epoch: 1, first: 4, last: 4, previous: none, payload: none, chain: none };
    assert.throws(() => window.append(batch, null), /4 where 3/);
  });
});
