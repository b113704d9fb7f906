import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import pino from 'pino';
import type { HistoryRecord } from '../../../../supervisor/core/records/history.ts';
import { HistoryAnnotator } from '../../../../supervisor/observers/history-annotator.ts';
import type { Observation } from '../../../../supervisor/runtime/observation.ts';
import type { ClusterStore } from '../../../../supervisor/runtime/ports.ts';
import { Host, leaderOf, timing } from '../core/leadership/host.ts';

const expired = { code: 'LEASE_EXPIRED', sentence: 'the lease of a ended' };
const wallStartMs = Date.parse('2026-01-01T12:00:00.000Z');

describe('what a host tells the history afterwards', () => {
  let host: Host;
  let records: HistoryRecord[];
  let annotator: HistoryAnnotator | null;
  let reads: number;
  beforeEach(() => {
    records = [];
    reads = 0;
    annotator = null;
    host = new WatchedHost();
  });

  class WatchedHost extends Host {
    override see(observation: Observation) {
      const before = this.state;
      const decision = super.see(observation);
      annotator?.onDecision(before, decision.state, this.at);
      return decision;
    }
  }

  /** From now on; the wall clock shows `upMs` more than when the host was booted. */
  function begin(wallNowMs = wallStartMs): void {
    const store = {
      readHistory: async () => {
        reads += 1;
        return records.map((one) => ({ record: one, modRevision: 1 }));
      },
      writeHistory: async (record: HistoryRecord) => {
        records = records.map((old) => (old.epoch === record.epoch ? record : old));
        return true;
      },
    } as unknown as ClusterStore;
    const clock = { bootTimeMs: () => host.at, wallTimeIso: () => new Date(wallNowMs).toISOString() };
    annotator = new HistoryAnnotator({ nodeId: 'a', store, clock, log: pino({ level: 'silent' }) });
  }

  function record(fromEpoch: number, cause = expired): HistoryRecord {
    const phases = { replicatorMs: 1, sftpNodeMs: 1, vipMs: 1, announcedMs: 1, servingMs: 1 };
    return {
      ...{ epoch: fromEpoch + 100, node: 'b', at: new Date(wallStartMs).toISOString(), phases, cause },
      ...{ from: { node: 'a', epoch: fromEpoch }, requestedBy: null, operationId: null, outageMs: 3000 },
      outageAtLeastMs: 0,
    };
  }

  /** The lease of the leader at 200 ends, and b leads at 300. */
  async function lose(): Promise<void> {
    host.see({ type: 'node-exited', epoch: 200, cause: { code: 'X', sentence: '' } });
    host.see({ type: 'vip-absent' });
    host.pass(timing.marginMs);
    assert.equal(host.phase, 'standby');
    records = [...records, record(200)];
    host
      .pass(2000)
      .renew()
      .read({ leader: leaderOf('b', 300), revision: 300 });
    await setImmediate();
  }

  async function elapse(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) host.pass(100);
  }

  it('that it lived on and could not reach etcd', async () => {
    begin();
    host.leading(200);
    await elapse(timing.leaseTtlMs);
    await lose();
    assert.equal(records.at(-1)?.cause.code, 'ETCD_CUT_OFF');
  });

  it('that it stood still', async () => {
    begin();
    host.leading(200);
    host.pass(6000);
    await lose();
    assert.equal(records.at(-1)?.cause.code, 'SUPERVISOR_FROZEN');
    assert.match(records.at(-1)?.cause.sentence ?? '', /6\.0 s/);
  });

  it('that its supervisor died, when it is started again', async () => {
    records = [record(100)];
    // Booted an hour before.
    begin(wallStartMs + 5000);
    host.at += 3_600_000;
    host.ready().read({ leader: leaderOf('b', 200), revision: 200 });
    await setImmediate();
    assert.equal(records[0]?.cause.code, 'SUPERVISOR_DIED');
  });

  it('that the host itself was started again', async () => {
    records = [record(100)];
    begin(wallStartMs + 120_000);
    host.ready().read({ leader: leaderOf('b', 200), revision: 200 });
    await setImmediate();
    assert.equal(records[0]?.cause.code, 'HOST_DIED');
  });

  it('that the host was started again also where its clock is a little behind', async () => {
    records = [record(100)];
    begin(wallStartMs + 5000);
    host.ready().read({ leader: leaderOf('b', 200), revision: 200 });
    await setImmediate();
    assert.equal(records[0]?.cause.code, 'HOST_DIED');
  });

  /** With nothing left to tell of before, the leadership at 200 ends, and b leads at 300. */
  async function end(isStuck: boolean, left: HistoryRecord): Promise<void> {
    begin();
    host.ready().read({ leader: leaderOf('b', 100) });
    await setImmediate();
    host.leading(200);
    if (isStuck) host.see({ type: 'node-stuck', epoch: 200 });
    else host.pass(timing.leaseTtlMs);
    host.see({ type: 'node-exited', epoch: 200, cause: { code: 'X', sentence: '' } });
    host.see({ type: 'vip-absent' });
    if (isStuck) host.see({ type: 'leader-released', epoch: 200, leader: null });
    assert.equal(host.phase, 'standby');
    records = [left];
    reads = 0;
    host
      .pass(2000)
      .renew()
      .read({ leader: leaderOf('b', 300), revision: 300 });
    await setImmediate();
  }

  it('nothing of a leadership that it gave up by its own word', async () => {
    await end(true, record(200));
    assert.deepEqual([reads, records[0]?.cause.code], [0, 'LEASE_EXPIRED']);
  });

  it('nothing to the record of another leadership of its own, and waits for a while', async () => {
    await end(false, record(100, { code: 'LEASE_EXPIRED', sentence: 'of an earlier one' }));
    assert.deepEqual([reads, records[0]?.cause.sentence], [1, 'of an earlier one']);
    host.pass(1900);
    await setImmediate();
    assert.equal(reads, 1, 'not at once');
    host.pass(100);
    await setImmediate();
    assert.equal(reads, 2);
    host.pass(60_000);
    await setImmediate();
    host.pass(2000);
    await setImmediate();
    assert.equal(reads, 3, 'a successor that never served tells nothing');
  });

  it('nothing while it leads itself', async () => {
    begin();
    host.leading(200);
    await setImmediate();
    assert.equal(reads, 0);
  });

  it('nothing where the successor knew', async () => {
    const told = { code: 'STOPPING', sentence: 'a handed over' };
    records = [record(100, told)];
    begin();
    host.ready().read({ leader: leaderOf('b', 200), revision: 200 });
    await setImmediate();
    assert.deepEqual(records[0]?.cause, told);
  });
});
