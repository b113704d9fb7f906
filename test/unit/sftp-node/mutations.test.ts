import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Journal } from '../../../sftp-node/journal/journal.ts';
import { Mutations } from '../../../sftp-node/mutations.ts';
import { WriteGate } from '../../../sftp-node/write-gate.ts';

function setUp({ full = false } = {}) {
  const clock = { now: 0 };
  const gate: WriteGate = new WriteGate({
    epoch: 1,
    onOpen: () => mutations.wake(),
    onExpired: () => {},
    now: () => clock.now,
  });
  const settle = new Map<number, () => void>();
  const recorded: string[] = [];
  const journal: Journal = {
    record: (operation) => recorded.push(operation.kind),
    whenDurable: (sequence) => new Promise((resolve) => settle.set(sequence, resolve)),
    get lastSequence() {
      return recorded.length;
    },
    isFull: full,
    close: () => {},
  };
  const mutations = new Mutations({ gate, handles: () => [], waitsForPeers: true });
  mutations.writeTo(journal);
  const open = () => gate.permit({ epoch: 1, validUntilMs: 1000 });
  return { clock, gate, mutations, recorded, settle, open };
}

const remove = { kind: 'remove', path: Buffer.from('x') } as const;

describe('mutations', () => {
  it('wait for the gate to open', async () => {
    const { gate, mutations, open } = setUp();
    assert.equal(mutations.permitted, false);
    const permission = mutations.permission();
    open();
    await permission;
    gate.shut();
  });

  it('are not permitted during a hold, nor while they are refused', () => {
    const { gate, mutations, open } = setUp();
    open();
    assert.equal(mutations.permitted, true);
    mutations.hold();
    assert.equal(mutations.permitted, false);
    mutations.release();
    mutations.refuse('no standby');
    assert.equal(mutations.permitted, false);
    mutations.refuse(null);
    assert.equal(mutations.permitted, true);
    gate.shut();
  });

  it('are journalled when they worked, and only then', () => {
    const { mutations, recorded } = setUp();
    mutations.apply(remove, () => {}, true);
    assert.throws(() =>
      mutations.apply(
        remove,
        () => {
          throw new Error('disk');
        },
        true,
      ),
    );
    assert.deepEqual(recorded, ['remove']);
  });

  it('are durable when both the disk here and the peers have them (G3)', async () => {
    for (const peersFirst of [true, false]) {
      const { mutations, settle } = setUp();
      let synced = () => {};
      let durable = false;
      const here = new Promise<void>((resolve) => {
        synced = resolve;
      });
      const done = mutations
        .durable(7, () => here)
        .then(() => {
          durable = true;
        });
      const steps = [() => settle.get(7)?.(), () => synced()];
      if (!peersFirst) steps.reverse();
      steps[0]?.();
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(durable, false, 'one of them is not enough');
      steps[1]?.();
      await done;
    }
  });

  it('may not be acknowledged once the gate is shut (G1)', () => {
    const { clock, gate, mutations, open } = setUp();
    open();
    assert.equal(mutations.mayAcknowledge, true);
    clock.now = 1000;
    assert.equal(mutations.mayAcknowledge, false);
    gate.shut();
  });
});
