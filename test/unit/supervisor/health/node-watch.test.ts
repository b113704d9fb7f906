import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { LoopWatch } from '#contracts/lateness.ts';
import type { NodeAnswer } from '../../../../supervisor/health/checks/liveness.ts';
import { NodeWatch } from '../../../../supervisor/health/node-watch.ts';
import type { HealthReports } from '../../../../supervisor/runtime/ports.ts';
import { until } from '../../until.ts';

describe('watching the SFTP node', () => {
  let over: AbortController;
  let attendedMs: number;
  let isServing: boolean;
  let answer: NodeAnswer | null;
  let silences: boolean[];
  let watch: NodeWatch;
  beforeEach(() => {
    over = new AbortController();
    attendedMs = 0;
    isServing = true;
    answer = null;
    silences = [];
    let asked = 0;
    const node = {
      ask: (id: number) => {
        asked = id;
      },
      answer: () => answer && { ...answer, id: asked },
    };
    // Each look comes after a long time.
    const loop = { attendedMs: () => (attendedMs += 2500) } as unknown as LoopWatch;
    const reports = {
      isServing: () => isServing,
      silentNode: (again: boolean) => silences.push(again),
    } as unknown as HealthReports;
    watch = new NodeWatch(node, loop, reports);
    void watch.run(over.signal);
  });
  afterEach(() => over.abort());

  it('has one that is silent killed, and tells when it is still there then', async () => {
    await until(() => silences.length >= 2);
    assert.deepEqual(silences.slice(0, 2), [false, true]);
    assert.equal(watch.fact?.code, 'SFTP_NODE_SILENT');
  });

  it('tells of clients that could not be taken, and forgets all when nobody serves any more', async () => {
    answer = { id: 0, listening: true, accepting: false };
    await until(() => watch.fact?.code === 'CLIENTS_NOT_TAKEN');
    isServing = false;
    await until(() => watch.fact === null);
    answer = null;
    isServing = true;
    attendedMs = 0;
    await until(() => attendedMs > 0);
    assert.equal(watch.fact, null, 'the one that serves now has not answered yet');
    assert.deepEqual(silences, []);
  });
});
