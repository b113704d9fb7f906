import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import pino from 'pino';
import type { NodeRecord } from '../../../../supervisor/core/records/records.ts';
import type { ClusterStore } from '../../../../supervisor/runtime/ports.ts';
import { Publisher } from '../../../../supervisor/runtime/publisher.ts';
import { liveNode } from '../core/leadership/host.ts';

const { leaseId, ...well } = liveNode('a');
const unwell: NodeRecord = { ...well, ineligible: [{ code: 'VIP_UNKNOWN', sentence: '' }] };

describe('the record of this host', () => {
  let wallMs = Date.parse('2026-11-26T03:00:00Z');
  const stamped = (record: NodeRecord): NodeRecord => ({ ...record, wallClockMs: wallMs });
  let now: number;
  let written: NodeRecord[];
  let fails: boolean;
  let publisher: Publisher;
  beforeEach(() => {
    now = 10_000;
    written = [];
    fails = false;
    const publishNode = async (record: NodeRecord) => {
      if (fails) throw new Error('no answer');
      written.push(record);
    };
    const store = { publishNode } as unknown as ClusterStore;
    const clock = { bootTimeMs: () => now, wallTimeIso: () => new Date(wallMs).toISOString() };
    publisher = new Publisher(store, clock, pino({ level: 'silent' }));
  });
  const publish = (record: NodeRecord) => publisher.publish(record, leaseId, null);

  it('is written when it changes, and again when that failed', async () => {
    await publish(well);
    await publish(well);
    fails = true;
    await publish(unwell);
    fails = false;
    await publish(unwell);
    assert.deepEqual(written, [well, unwell].map(stamped));
  });

  it('is put right when a write that was lost on its way arrives after newer ones', async () => {
    await publish(unwell);
    await publish(well);
    now += 1500;
    publisher.onRead({ ...unwell, leaseId }, now);
    await publish(well);
    assert.deepEqual(written, [unwell, well, well].map(stamped));
  });

  it('is left alone when etcd has it, or was asked too early to have it', async () => {
    await publish(well);
    publisher.onRead({ ...unwell, leaseId }, now + 10);
    publisher.onRead({ ...stamped(well), leaseId }, now + 2000);
    await publish(well);
    assert.deepEqual(written, [stamped(well)]);
  });

  it('is written again on another lease', async () => {
    await publish(well);
    await publisher.publish(well, 'another', null);
    assert.equal(written.length, 2);
  });

  it('is written every half minute for its clock, and no oftener', async () => {
    await publish(well);
    now += 29_000;
    await publish(well);
    assert.equal(written.length, 1);
    now += 1000;
    await publish(well);
    assert.equal(written.length, 2);
  });

  it('is written for the progress of a resync when one begins or ends, and else every five seconds', async () => {
    const resync = (missingBytes: number): NodeRecord => ({
      ...well,
      resync: {
        uncertainNames: 0,
        incompleteFiles: 1,
        missingBytes,
        bytesPerSecond: null,
        secondsLeft: null,
      },
    });
    await publish(well);
    await publish(resync(9));
    now += 4900;
    await publish(resync(8));
    assert.equal(written.length, 2);
    now += 100;
    await publish(resync(7));
    await publish({ ...resync(6), ineligible: unwell.ineligible });
    await publish(well);
    assert.deepEqual(
      written.map((record) => record.resync?.missingBytes ?? null),
      [null, 9, 7, 6, null],
    );
  });

  it('has the clock as it is at each try', async () => {
    fails = true;
    await publish(well);
    fails = false;
    wallMs += 60_000;
    await publish(well);
    assert.deepEqual(written, [stamped(well)]);
  });
});
