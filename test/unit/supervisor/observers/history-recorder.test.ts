import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import pino from 'pino';
import type { HistoryRecord } from '../../../../supervisor/core/records/history.ts';
import { unreadableLeader } from '../../../../supervisor/core/records/records.ts';
import { HistoryRecorder } from '../../../../supervisor/observers/history-recorder.ts';
import type { Observation } from '../../../../supervisor/runtime/observation.ts';
import type { ClusterStore } from '../../../../supervisor/runtime/ports.ts';
import { Host, leaderOf, liveNode } from '../core/leadership/host.ts';
import { operationOf } from '../core/leadership/operations.ts';

describe('the history of leaderships', () => {
  let host: Host;
  let written: HistoryRecord[];
  let recorder: HistoryRecorder;
  beforeEach(() => {
    written = [];
    const store = {
      readHistory: async () => written.map((record) => ({ record, modRevision: 1 })),
      writeHistory: async (record: HistoryRecord) => written.push(record) > 0,
    } as unknown as ClusterStore;
    const clock = { bootTimeMs: () => host.at, wallTimeIso: () => '2026-01-01T00:00:00.000Z' };
    recorder = new HistoryRecorder({ store, clock, leaseTtlMs: 3000, log: pino({ level: 'silent' }) });
    host = new WatchedHost();
  });

  /** A host whose every decision the recorder is told of. */
  class WatchedHost extends Host {
    override see(observation: Observation) {
      const before = this.state;
      const decision = super.see(observation);
      // The first event of all comes from the constructor of the host.
      if (before !== undefined) recorder.onDecision(before, decision.state, this.at);
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

  it('tells no outage of the first leader of a cluster', async () => {
    host.ready().pass(300).renew();
    host.see({ type: 'leader-written', leader: leaderOf('a', 200) });
    host.pass(150);
    const record = await serve(200);
    assert.deepEqual([record?.cause.code, record?.outageMs], ['FIRST_START', null]);
    assert.equal(record?.phases.servingMs, 150);
  });

  /** b serves at 150, as is read at 10,000 ms. */
  const served = { leader: leaderOf('b', 150), nodes: [liveNode('b', { serving: 150 })] };

  it('counts a lease that ended by itself from when it was last renewed, and says that this is a bound', async () => {
    host.ready().read(served);
    host.pass(500).renew().read({ leader: null, revision: 180 });
    host.pass(40);
    host.see({ type: 'leader-written', leader: leaderOf('a', 200) });
    host.pass(100);
    const record = await serve(200);
    assert.deepEqual(record?.from, { node: 'b', epoch: 150 });
    assert.deepEqual([record?.outageMs, record?.outageAtLeastMs], [640 + 3000, 140]);
    assert.doesNotMatch(record?.cause.sentence ?? '', /did not come to serve/);
  });

  it('takes no word of another leadership for why this one came to be, nor an operation of another', async () => {
    const departure = { node: 'c', epoch: 100, cause: { code: 'DISK_LOW', sentence: 'full' } };
    const operation = operationOf({ state: 'done' });
    host.ready().read({ ...served, departure, operation });
    host.pass(500).renew().read({ leader: null, revision: 180, departure, operation });
    host.see({ type: 'leader-written', leader: leaderOf('a', 200) });
    const record = await serve(200);
    assert.deepEqual([record?.cause.code, record?.requestedBy], ['LEASE_EXPIRED', null]);
  });

  it('counts from the latest host that served', async () => {
    host.ready().read(served);
    host.pass(500).renew().read({ leader: null, revision: 160 });
    host
      .pass(500)
      .renew()
      .read({ leader: leaderOf('c', 170), nodes: [liveNode('c', { serving: 170 })], revision: 171 });
    host.pass(500).renew().read({ leader: null, revision: 180 });
    host.see({ type: 'leader-written', leader: leaderOf('a', 200) });
    const record = await serve(200);
    assert.deepEqual([record?.from?.node, record?.outageMs, record?.outageAtLeastMs], ['c', 500 + 3000, 0]);
  });

  it('knows that a host served until it handed over, though who it handed over to failed', async () => {
    host.ready().read(served);
    const given = { ...leaderOf('c', 170), handedOverBy: 'b', downMs: 35 };
    host.pass(500).renew().read({ leader: given, revision: 170 });
    host.pass(1000).renew().read({ leader: null, revision: 180 });
    host.see({ type: 'leader-written', leader: leaderOf('a', 200) });
    assert.equal((await serve(200))?.outageMs, 1500);
  });

  it('counts from when a host that gave up by its own word was last seen to serve', async () => {
    host.ready().read(served);
    const departure = { node: 'b', epoch: 150, cause: { code: 'DISK_LOW', sentence: 'full' } };
    host.pass(500).renew().read({ leader: null, revision: 180, departure });
    host.see({ type: 'leader-written', leader: leaderOf('a', 200) });
    const record = await serve(200);
    assert.deepEqual([record?.outageMs, record?.outageAtLeastMs], [500, 0]);
    assert.equal(record?.cause.code, 'DISK_LOW');
  });

  it('says that the leader key could not be read, which is no host', async () => {
    host.ready().read(served);
    host
      .pass(500)
      .renew()
      .read({ leader: leaderOf(unreadableLeader, 170), revision: 170 });
    host.pass(2000).renew().read({ leader: null, revision: 180 });
    host.see({ type: 'leader-written', leader: leaderOf('a', 200) });
    const { sentence = '' } = (await serve(200))?.cause ?? {};
    assert.match(sentence, /; the leader key in etcd could not be read$/);
  });

  it('counts from the last service and keeps its cause when a successor fails in between', async () => {
    host.ready().read(served);
    const departure = { node: 'b', epoch: 150, cause: { code: 'DISK_LOW', sentence: 'full' } };
    host.pass(500).renew().read({ leader: null, revision: 160, departure });
    host
      .pass(500)
      .renew()
      .read({ leader: leaderOf('c', 170), revision: 170, departure });
    const failure = { node: 'c', epoch: 170, cause: { code: 'VIP_IN_USE', sentence: 'a stranger' } };
    host.pass(2000).renew().read({ leader: null, revision: 180, departure: failure });
    host.see({ type: 'leader-written', leader: leaderOf('a', 200) });
    const record = await serve(200);
    assert.equal(record?.outageMs, 3000);
    assert.equal(record?.outageAtLeastMs, 2500);
    assert.deepEqual([record?.from?.node, record?.cause.code], ['b', 'DISK_LOW']);
    assert.match(record?.cause.sentence ?? '', /b gave up: full; c did not come to serve \(VIP_IN_USE\)/);
  });

  it('knows of no outage that began before this host was there', async () => {
    host.ready().read({ leader: leaderOf('b', 150) });
    host.pass(500).renew().read({ leader: null, revision: 180 });
    host.see({ type: 'leader-written', leader: leaderOf('a', 200) });
    const record = await serve(200);
    assert.deepEqual([record?.outageMs, record?.outageAtLeastMs], [null, null]);
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
    assert.equal(record?.phases.sftpNodeMs, 90);
  });

  it('does not count from a death of the SFTP node that was made good long before', async () => {
    host.leading(200);
    host.pass(1000).renew();
    const cause = { code: 'SFTP_NODE_EXITED', sentence: 'killed' };
    host.see({ type: 'node-exited', epoch: 200, cause });
    host.see({ type: 'leader-written', leader: leaderOf('a', 210) });
    await serve(210);
    for (let second = 0; second < 100; second++) host.pass(1000).renew();
    host.pass(2600);
    assert.equal(host.phase, 'stepping-down');
    host.see({ type: 'node-exited', epoch: 210, cause });
    host.see({ type: 'vip-absent' });
    host.pass(1000).renew().read({ leader: null, revision: 220 });
    host.see({ type: 'leader-written', leader: leaderOf('a', 230) });
    const record = await serve(230);
    assert.equal(record?.epoch, 230);
    assert.deepEqual([record?.outageMs, record?.outageAtLeastMs], [3600, 1000]);
  });

  it('counts a planned move from when clients were shut out', async () => {
    host.ready().read(served);
    const given = { ...leaderOf('a', 200), handedOverBy: 'b', downMs: 35 };
    host.see({ type: 'leader-written', leader: given });
    host.pass(20);
    const record = await serve(200);
    assert.deepEqual([record?.outageMs, record?.phases.servingMs], [55, 20]);
  });
});
