import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import pino from 'pino';
import type { HistoryRecord } from '../../../../supervisor/core/records/history.ts';
import { HistoryRecorder } from '../../../../supervisor/observers/history-recorder.ts';
import type { Observation } from '../../../../supervisor/runtime/observation.ts';
import type { ClusterStore } from '../../../../supervisor/runtime/ports.ts';
import { Host, leaderOf } from '../core/leadership/host.ts';

describe('the history of leaderships', () => {
  let host: Host;
  let written: HistoryRecord[];
  let keeper: HistoryRecorder;
  beforeEach(() => {
    written = [];
    const store = {
      readHistory: async () => written,
      writeHistory: async (record: HistoryRecord) => void written.push(record),
    } as unknown as ClusterStore;
    const clock = { bootTimeMs: () => host.at, wallTimeIso: () => '2026-01-01T00:00:00.000Z' };
    keeper = new HistoryRecorder({ store, clock, log: pino({ level: 'silent' }) });
    host = new WatchedHost();
  });

  /** A host whose every decision the keeper is told of. */
  class WatchedHost extends Host {
    override see(observation: Observation) {
      const before = this.state;
      const decision = super.see(observation);
      // The first event of all comes from the constructor of the host.
      if (before !== undefined) keeper.onDecision(before, decision.state, this.at);
      return decision;
    }
  }

  async function serve(epoch: number): Promise<HistoryRecord | undefined> {
    host.see({ type: 'vip-free', epoch });
    host.see({ type: 'vip-present', epoch });
    host.see({ type: 'announced', epoch });
    host.see({ type: 'node-starting', epoch });
    host.see({ type: 'node-listening', epoch });
    host.replicator('leader', epoch);
    assert.equal(host.phase, 'leading');
    await setImmediate();
    return written.at(-1);
  }

  it('tells how long nobody led before a host claimed', async () => {
    host.ready().pass(300).renew();
    host.see({ type: 'leader-written', leader: leaderOf('a', 200) });
    host.pass(150);
    const record = await serve(200);
    assert.deepEqual([record?.cause.code, record?.outageMs], ['FIRST_START', 450]);
    assert.equal(record?.phases.servingMs, 150);
  });

  it('tells it too when another led before', async () => {
    host.ready().read({ leader: leaderOf('b', 150) });
    host.pass(500).renew().read({ leader: null, revision: 180 });
    host.pass(40);
    host.see({ type: 'leader-written', leader: leaderOf('a', 200) });
    host.pass(100);
    const record = await serve(200);
    assert.deepEqual([record?.from, record?.outageMs], [{ node: 'b', epoch: 150 }, 140]);
  });

  it('counts from the death of the SFTP node when the same host goes on', async () => {
    host.leading(200);
    await setImmediate();
    host.pass(1000).renew();
    const cause = { code: 'SFTP_NODE_EXITED', sentence: 'killed' };
    host.see({ type: 'node-exited', epoch: 200, cause });
    host.pass(10);
    const again = { ...leaderOf('a', 210), cause: 'the SFTP node started again' };
    host.see({ type: 'leader-written', leader: again });
    host.pass(90);
    const record = await serve(210);
    assert.deepEqual([record?.cause.code, record?.outageMs], ['SFTP_NODE_EXITED', 100]);
  });

  it('counts a planned move from when clients were shut out', async () => {
    host.ready().read({ leader: leaderOf('b', 150) });
    const given = { ...leaderOf('a', 200), handedOverBy: 'b', downMs: 35 };
    host.see({ type: 'leader-written', leader: given });
    host.pass(20);
    const record = await serve(200);
    assert.deepEqual([record?.outageMs, record?.phases.servingMs], [55, 20]);
  });
});
