import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pino from 'pino';
import { LeaseLoop } from '../../../../supervisor/runtime/lease-loop.ts';
import type { Observation } from '../../../../supervisor/runtime/observation.ts';
import type { ClusterStore } from '../../../../supervisor/runtime/ports.ts';
import { noting, settle } from './parts.ts';

/** A loop whose pauses end when the test says so. */
function begin(store: Partial<Record<keyof ClusterStore, unknown>>) {
  const asked: unknown[][] = [];
  const seen: Observation[] = [];
  const pauses: { ms: number; end: () => void }[] = [];
  const clock = { now: 1000, bootTimeMs: () => clock.now, wallTimeIso: () => '' };
  const timers = {
    after: (ms: number, end: () => void) => {
      pauses.push({ ms, end });
      return () => asked.push(['called off']);
    },
    every: () => () => {},
    afterFullPoll: () => {},
  };
  const loop = new LeaseLoop({
    store: noting<ClusterStore>(asked, store),
    clock,
    timers,
    renewEveryMs: 1000,
    observe: (observation) => seen.push(observation),
    remember: (leaseId) => asked.push(['remember', leaseId]),
    log: pino({ level: 'silent' }),
  });
  const over = new AbortController();
  return { asked, seen, pauses, clock, loop, over, ended: loop.run(over.signal) };
}

describe('the lease of this host', () => {
  const grantLease = async () => ({ leaseId: '7', sentAtMs: 990 });

  it('counts from when it was asked for, and is remembered before anything hangs on it', async () => {
    const { asked, seen, pauses, clock, over, ended } = begin({
      grantLease,
      renewLease: async () => ({ leaseId: '7', sentAtMs: 1900 }),
    });
    await settle();
    assert.deepEqual(asked.slice(0, 2), [['grantLease'], ['remember', '7']]);
    clock.now = 2400;
    pauses[0]?.end();
    await settle();
    assert.deepEqual(seen, [
      { type: 'lease-renewed', id: '7', sentAtMs: 990 },
      { type: 'lease-renewed', id: '7', sentAtMs: 1900 },
    ]);
    over.abort();
    await ended;
  });

  it('is renewed at its own cadence, however long the answer takes', async () => {
    const clocks: { now: number }[] = [];
    const { pauses, clock, over, ended } = begin({
      grantLease: async () => {
        for (const one of clocks) one.now += 400;
        return { leaseId: '7', sentAtMs: 990 };
      },
      renewLease: async () => {
        for (const one of clocks) one.now += 400;
        return { leaseId: '7', sentAtMs: 1000 };
      },
    });
    await settle();
    clocks.push(clock);
    pauses.at(-1)?.end();
    await settle();
    assert.equal(pauses.at(-1)?.ms, 600);
    over.abort();
    await ended;
  });

  it('is another one at once when etcd has ended it', async () => {
    let granted = 6;
    const { seen, pauses, loop, over, ended } = begin({
      grantLease: async () => {
        granted += 1;
        return { leaseId: `${granted}`, sentAtMs: 990 };
      },
      renewLease: async () => null,
    });
    await settle();
    pauses[0]?.end();
    await settle();
    assert.deepEqual(
      seen.slice(1).map((one) => [one.type, 'id' in one && one.id]),
      [
        ['lease-gone', '7'],
        ['lease-renewed', '8'],
      ],
    );
    assert.equal(loop.leaseId, '8');
    over.abort();
    await ended;
  });

  it('is not waited for when the supervisor ends', async () => {
    const { asked, over, ended } = begin({ grantLease });
    await settle();
    over.abort();
    await ended;
    assert.deepEqual(asked.at(-1), ['called off']);
  });
});
