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
    onDoubt: () => {},
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

  it('fail with the reason when the gate stays shut', async ({ mock }) => {
    mock.timers.enable({ apis: ['setTimeout'] });
    const { mutations } = setUp();
    const permission = mutations.permission();
    mock.timers.tick(2000);
    await assert.rejects(permission, /This host does not lead/);
    await assert.rejects(mutations.permission({ patienceMs: 0 }), /does not lead/);
  });

  it('fail with the reason of a refusal that lasts, and not of one that ends', async ({ mock }) => {
    mock.timers.enable({ apis: ['setTimeout'] });
    const { gate, mutations, open } = setUp();
    open();
    mutations.refuse('no standby');
    const [refused, permitted] = [mutations.permission({ patienceMs: 100 }), mutations.permission()];
    mock.timers.tick(100);
    await assert.rejects(refused, /Writes are refused: no standby/);
    mutations.refuse(null);
    await permitted;
    gate.shut();
  });

  it('wait for the end of a hold as long as it takes, and fail when the gate shuts meanwhile', async ({
    mock,
  }) => {
    mock.timers.enable({ apis: ['setTimeout'] });
    const { clock, mutations, open } = setUp();
    open();
    mutations.hold();
    let ended = 0;
    const first = mutations.permission().finally(() => ended++);
    mock.timers.tick(900_000);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(ended, 0);
    clock.now = 1000;
    mutations.wake();
    await assert.rejects(first, /does not lead/);
  });

  it('go on in the order in which they waited', async () => {
    const { gate, mutations, open } = setUp();
    open();
    mutations.hold();
    const order: number[] = [];
    const all = [1, 2, 3].map((turn) => mutations.permission().then(() => order.push(turn)));
    mutations.release();
    await Promise.all(all);
    assert.deepEqual(order, [1, 2, 3]);
    gate.shut();
  });

  it('wait no longer than their client is there', async () => {
    const { gate, mutations, open } = setUp();
    open();
    mutations.hold();
    const aborter = new AbortController();
    const permission = mutations.permission({ signal: aborter.signal });
    aborter.abort(new Error('the client is gone'));
    await assert.rejects(permission, /the client is gone/);
    gate.shut();
  });

  it('that wait for standbys fail when writes are refused for long, and not when that ends soon', async () => {
    const { gate, mutations, settle, open } = setUp();
    open();
    const here = async () => {};
    const waits = mutations.durable(1, here, 60_000);
    mutations.refuse('no standby');
    mutations.refuse(null);
    settle.get(1)?.();
    await waits;
    const fails = mutations.durable(2, here, 20);
    mutations.refuse('no standby');
    await assert.rejects(fails, /Writes are refused: no standby/);
    await assert.rejects(mutations.durable(3, here, 20), { name: 'StatusError' }, 'refused already');
    assert.equal(mutations.unanswered, 0);
    gate.shut();
  });

  it('are journalled no more during a hold, and once the gate is shut', () => {
    const { gate, mutations, open } = setUp();
    assert.equal(mutations.recordable, false);
    open();
    assert.equal(mutations.recordable, true);
    mutations.refuse('no standby');
    assert.equal(mutations.recordable, true, 'a handle may be closed all the same');
    mutations.hold();
    assert.equal(mutations.recordable, false);
    gate.shut();
  });

  it('wait while the journal is full', () => {
    const { gate, mutations, open } = setUp({ full: true });
    open();
    assert.equal(mutations.permitted, false);
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
