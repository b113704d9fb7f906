import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Lateness } from '../../../../supervisor/health/lateness.ts';

describe('the lateness of processes', () => {
  it('is the longest stall of the last minute, and a fact when it was a second', () => {
    const clock = { now: 0 };
    const lateness = new Lateness(() => clock.now);
    lateness.add('replicator', 2500);
    lateness.add('sftp-node', 400);
    clock.now = 30_000;
    lateness.add('replicator', 1200);
    assert.equal(lateness.worstMs('replicator'), 2500);
    assert.equal(lateness.worstMs('supervisor'), 0);
    assert.deepEqual(lateness.facts, [
      {
        name: 'replicator loop',
        level: 'warn',
        code: 'PROCESS_LATE',
        detail: 'stood still for 2.5 s within the last minute',
      },
    ]);
    clock.now = 60_000;
    assert.equal(lateness.worstMs('replicator'), 1200);
    clock.now = 90_000;
    assert.deepEqual(lateness.facts, []);
  });

  it('keeps little: a shorter stall that came before is forgotten', () => {
    const lateness = new Lateness(() => 0);
    for (let ms = 300; ms < 1300; ms++) lateness.add('supervisor', ms);
    assert.equal(lateness.worstMs('supervisor'), 1299);
  });

  it('is of each process by itself', () => {
    const lateness = new Lateness(() => 0);
    lateness.add('replicator', 1500);
    lateness.add('supervisor', 2000);
    assert.equal(lateness.worstMs('replicator'), 1500);
  });
});
