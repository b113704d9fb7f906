import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import pino from 'pino';
import type { Order } from '../../../../supervisor/core/leadership/orders.ts';
import { Executor } from '../../../../supervisor/runtime/executor.ts';
import type { LeadershipWriter } from '../../../../supervisor/runtime/leadership-writer.ts';
import type { Observation } from '../../../../supervisor/runtime/observation.ts';
import type {
  AnnouncementSchedule,
  ReplicatorControl,
  SftpNodeControl,
  VirtualIps,
} from '../../../../supervisor/runtime/ports.ts';
import type { RecordWriter } from '../../../../supervisor/runtime/record-writer.ts';
import { noting, settle } from './parts.ts';

const off: Order = { kind: 'vip', want: 'absent' };
const free: Order = { kind: 'vip', want: 'free', epoch: 200 };
const on: Order = { kind: 'vip', want: 'present', epoch: 200, leaseEndsAtMs: 3000 };
const announce: Order = { kind: 'announce', epoch: 200 };
const stranger = { address: '10.0.0.100', macAddress: '02:00:00:00:00:09' };

describe('the executor of orders', () => {
  let asked: unknown[][];
  let seen: Observation[];
  let clock: { now: number };
  beforeEach(() => {
    asked = [];
    seen = [];
    clock = { now: 1000 };
  });

  function executorWith(vips: Partial<Record<keyof VirtualIps, unknown>> = {}): Executor {
    return new Executor({
      clock: { bootTimeMs: () => clock.now, wallTimeIso: () => '' },
      vips: noting<VirtualIps>(asked, vips),
      announcer: noting<AnnouncementSchedule>(asked),
      sftpNode: noting<SftpNodeControl>(asked),
      replicator: noting<ReplicatorControl>(asked),
      leadership: noting<LeadershipWriter>(asked),
      records: noting<RecordWriter>(asked),
      observe: (observation) => seen.push(observation),
      exit: () => asked.push(['exit']),
      log: pino({ level: 'silent' }),
    });
  }
  const timesAsked = (name: string) => asked.filter(([method]) => method === name).length;
  async function carryOut(executor: Executor, ...orders: Order[]): Promise<void> {
    executor.carryOut(orders);
    await settle();
  }

  it('takes an address for on only when it is', async () => {
    let isOn = false;
    const executor = executorWith({ present: async () => isOn });
    await carryOut(executor, on);
    assert.deepEqual(seen, []);
    isOn = true;
    clock.now += 50;
    await carryOut(executor, on);
    assert.deepEqual(seen, [{ type: 'vip-present', epoch: 200 }]);
  });

  it('tells of a stranger that has the address, and asks again', async () => {
    let answer: typeof stranger | null = stranger;
    const executor = executorWith({ conflict: async () => answer });
    await carryOut(executor, free);
    const [failed] = seen;
    assert.ok(failed?.type === 'vip-failed' && failed.cause.code === 'VIP_IN_USE');
    answer = null;
    clock.now += 250;
    await carryOut(executor, free);
    assert.deepEqual(seen.slice(1), [{ type: 'vip-free', epoch: 200 }]);
  });

  it('does again and again what may not have come about', async () => {
    const admit: Order = { kind: 'admit', replaces: 'x', at: 5 };
    const running: Order = { kind: 'sftp-node', want: 'running', epoch: 200 };
    const executor = executorWith();
    for (let turn = 0; turn < 2; turn++) {
      await carryOut(executor, off, admit, running);
      clock.now += 500;
    }
    assert.deepEqual([timesAsked('absent'), timesAsked('admit'), timesAsked('start')], [2, 2, 2]);
  });

  it('does again what was not wanted for a while', async () => {
    const shut: Order = { kind: 'gate', want: 'shut', epoch: 200 };
    const executor = executorWith();
    await carryOut(executor, shut);
    await carryOut(executor, shut);
    // That of the SFTP node, and that of the storage engine.
    assert.equal(timesAsked('shutGate'), 2);
    await carryOut(executor);
    await carryOut(executor, shut);
    assert.equal(timesAsked('shutGate'), 4);
  });

  it('announces for as long as it is ordered to', async () => {
    const executor = executorWith();
    await carryOut(executor, announce);
    assert.deepEqual(asked, [['start', 200]]);
    assert.deepEqual(seen, [{ type: 'announced', epoch: 200 }]);
    await carryOut(executor, off);
    assert.equal(timesAsked('stop'), 1);
  });

  it('tells the replicator its role again every five seconds: it may have failed at it', async () => {
    const executor = executorWith();
    const follow: Order = { kind: 'replicator', want: 'follow', epoch: 7, leader: 'b', root: 'r' };
    for (; clock.now < 12_000; clock.now += 100) await carryOut(executor, follow);
    assert.equal(timesAsked('tellRole'), 3);
  });

  it('tells the replicator its role with the roots that were judged', async () => {
    const executor = executorWith();
    await carryOut(executor, { kind: 'replicator', want: 'follow', epoch: 7, leader: 'b', root: 'r' });
    await carryOut(executor, { kind: 'replicator', want: 'lead', epoch: 8, inSync: ['a'], root: 'r' });
    assert.deepEqual(
      asked.filter(([method]) => method === 'tellRole'),
      [
        ['tellRole', { type: 'follow', epoch: 7, leader: 'b', root: 'r' }],
        ['tellRole', { type: 'lead', epoch: 8, inSync: ['a'], root: 'r' }],
      ],
    );
  });

  it('tells that putting the address on hangs, and not what comes of it later', async () => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const executor = executorWith({ present: () => promise });
    await carryOut(executor, on);
    clock.now += 20_000;
    await carryOut(executor, on);
    assert.deepEqual(
      seen.map((one) => [one.type, one.type === 'vip-failed' && one.cause.code]),
      [['vip-failed', 'ORDER_OVERDUE']],
    );
    resolve(true);
    await settle();
    assert.equal(seen.length, 1);
  });

  it('counts it as no failure of a leadership that taking the address off hangs', async () => {
    const executor = executorWith({ absent: () => new Promise(() => {}) });
    await carryOut(executor, off);
    clock.now += 20_000;
    await carryOut(executor, off);
    assert.deepEqual(seen, []);
  });
});
