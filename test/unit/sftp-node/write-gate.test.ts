import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import { bootTimeMs } from '#contracts/boot-time.ts';
import { WriteGate } from '../../../sftp-node/write-gate.ts';
import { until } from '../until.ts';

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

  it('is over when its permit ended by itself, not before the first nor when it was shut', () => {
    const { clock, gate } = gateAt(5);
    assert.equal(gate.isOver, false);
    gate.permit({ epoch: 5, validUntilMs: 2000 });
    assert.equal(gate.isOver, false);
    clock.now = 2000;
    assert.equal(gate.isOver, true);
    gate.permit({ epoch: 5, validUntilMs: 3000 });
    assert.equal(gate.isOver, false);
    gate.shut();
    assert.equal(gate.isOver, false);
  });

  it('is over at the end of its last permit also when it was shut before, and opens again with a later one', () => {
    const { clock, gate } = gateAt(5);
    gate.permit({ epoch: 5, validUntilMs: 2000 });
    gate.shut();
    assert.deepEqual([gate.isOpen, gate.isOver], [false, false]);
    clock.now = 2000;
    assert.deepEqual([gate.isOpen, gate.isOver], [false, true], 'another host may acknowledge from now on');
    gate.permit({ epoch: 5, validUntilMs: 3000 });
    assert.deepEqual([gate.isOpen, gate.isOver], [true, false]);
    gate.shut();
    gate.permit({ epoch: 5, validUntilMs: 3000 });
    assert.equal(gate.isOpen, true);
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

  describe('of a process that stood still beyond its end', () => {
    /** A gate for 20 ms, and a supervisor's way to it. */
    function setUp(onDoubt = (_gate: WriteGate) => {}) {
      const { port1: supervisor, port2: node } = new MessageChannel();
      const seen: string[] = [];
      const gate: WriteGate = new WriteGate({
        epoch: 5,
        onOpen: () => seen.push('open'),
        onDoubt: () => {
          seen.push(`doubt, ${gate.isOpen ? 'open' : 'shut'}`);
          onDoubt(gate);
        },
        onExpired: () => seen.push('expired'),
      });
      const end = () => {
        gate.shut();
        supervisor.close();
      };
      const permitFor = (ms: number) => ({ epoch: 5, validUntilMs: bootTimeMs() + ms });
      node.on('message', (permit) => gate.permit(permit)).unref();
      gate.permit(permitFor(20));
      return { supervisor, gate, seen, permitFor, end };
    }

    const block = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

    it('is shut, but costs no client the connection when a permit lies unread', async () => {
      const { supervisor, gate, seen, permitFor, end } = setUp();
      block(60);
      assert.equal(gate.isOpen, false, 'the permit that lies unread opens nothing');
      supervisor.postMessage(permitFor(60_000));
      await until(() => gate.isOpen);
      assert.ok(gate.isOpen);
      assert.ok(!seen.includes('expired'), seen.join());
      end();
    });

    it('lets clients go when none does', async () => {
      const { gate, seen, end } = setUp();
      block(60);
      await until(() => seen.includes('expired'));
      assert.equal(gate.isOpen, false);
      assert.deepEqual(seen, ['open', 'doubt, shut', 'expired']);
      end();
    });

    it('tells nothing more once it was shut', async () => {
      const { seen, end } = setUp((gate) => setImmediate(() => gate.shut()));
      block(60);
      await delay(20);
      assert.ok(!seen.includes('expired'), seen.join());
      end();
    });
  });
});
