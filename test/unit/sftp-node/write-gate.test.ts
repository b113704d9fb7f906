import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WriteGate } from '../../../sftp-node/write-gate.ts';

function gateAt(epoch: number) {
  const clock = { now: 1000 };
  const gate = new WriteGate({
    epoch,
    onOpen: () => {},
    onDoubt: () => {},
    onExpired: () => {},
    now: () => clock.now,
  });
  return { clock, gate };
}

describe('the write gate (G1)', () => {
  it('is shut until it is opened', () => {
    assert.equal(gateAt(5).gate.isOpen, false);
  });

  it('shuts by itself at the end of its permit, to the millisecond', () => {
    const { clock, gate } = gateAt(5);
    gate.permit({ epoch: 5, validUntilMs: 2000 });
    clock.now = 1999;
    assert.equal(gate.isOpen, true);
    clock.now = 2000;
    assert.equal(gate.isOpen, false);
    gate.shut();
  });

  it('takes no permit of another leadership, and none back', () => {
    const { clock, gate } = gateAt(5);
    gate.permit({ epoch: 6, validUntilMs: 9000 });
    assert.equal(gate.isOpen, false);
    gate.permit({ epoch: 5, validUntilMs: 3000 });
    gate.permit({ epoch: 5, validUntilMs: 1500 });
    clock.now = 2500;
    assert.equal(gate.isOpen, true);
    gate.shut();
    assert.equal(gate.isOpen, false);
  });
});
