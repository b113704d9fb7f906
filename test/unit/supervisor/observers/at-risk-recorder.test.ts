import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import pino from 'pino';
import type { HostAtRisk } from '#contracts/ipc/at-risk.ts';
import type { AtRiskRecord } from '../../../../supervisor/core/records/at-risk.ts';
import { AtRiskRecorder } from '../../../../supervisor/observers/at-risk-recorder.ts';
import { Host, leaderOf, statusOf } from '../core/leadership/host.ts';

const lacking = (nodeId: string, total = 1): HostAtRisk => ({
  ...{ nodeId, holds: { epoch: 100, sequence: 7 }, isWhole: true, unknown: null, total },
  names: [{ path: `file of ${nodeId}`, change: 'stored' }],
});
const told: AtRiskRecord = {
  ...{ by: 'c', epoch: 100, at: '2026-01-01T03:00:00.000Z', hosts: [lacking('b')], takenOverWithout: null },
};

describe('what a leader tells etcd of files at risk', () => {
  let found: AtRiskRecord | null;
  let written: AtRiskRecord[];
  let held: unknown[];
  let isRefused: boolean;
  let modRevision: number;
  let nowMs: number;
  let recorder: AtRiskRecorder;

  beforeEach(() => {
    found = null;
    written = [];
    held = [];
    isRefused = false;
    modRevision = 7;
    nowMs = 100_000;
    recorder = newRecorder();
  });

  const newRecorder = () =>
    new AtRiskRecorder({
      store: {
        readAtRisk: async () => ({ record: found, modRevision }),
        writeAtRisk: async (record, after) => {
          written.push(record);
          if (isRefused || after !== modRevision) return null;
          modRevision += 1;
          return modRevision;
        },
      },
      clock: { bootTimeMs: () => nowMs, wallTimeIso: () => new Date(nowMs).toISOString() },
      tellHeld: (positions) => held.push(positions),
      log: pino({ level: 'silent' }),
    });

  const leads = (epoch = 200) => new Host('a').leading(epoch);
  const status = (host: Host, ...atRisk: HostAtRisk[]) =>
    recorder.onStatus(host.state, { ...statusOf('a'), role: 'leader', atRisk });

  it('is that nothing is at risk, once in a leadership', async () => {
    await status(leads());
    assert.deepEqual(
      written.map(({ hosts }) => hosts),
      [[]],
    );
    nowMs += 60_000;
    await status(leads());
    assert.equal(written.length, 1);
    written = [];
    await recorder.onStatus(new Host('a').ready().state, { ...statusOf('a'), atRisk: [lacking('b')] });
    assert.deepEqual(written, [], 'of a host that does not lead');
  });

  it('is what hosts lack: the first at once, changes every five seconds, the same every half minute', async () => {
    const host = leads();
    await status(host, lacking('b'));
    assert.deepEqual(
      written.map(({ by, epoch, hosts }) => [by, epoch, hosts.map(({ nodeId }) => nodeId)]),
      [['a', 200, ['b']]],
    );
    nowMs += 4900;
    await status(host, lacking('b', 2));
    assert.equal(written.length, 1);
    nowMs += 200;
    await status(host, lacking('b', 2));
    assert.equal(written.at(-1)?.hosts[0]?.total, 2);
    nowMs += 29_000;
    await status(host, lacking('b', 2));
    assert.equal(written.length, 2);
    nowMs += 1100;
    await status(host, lacking('b', 2));
    assert.equal(written.length, 3);
    await status(host);
    assert.deepEqual(written.at(-1)?.hosts, [], 'and that it is over at once');
    nowMs += 60_000;
    await status(host);
    assert.equal(written.length, 4);
  });

  it('is not changed before the replicator knows what the leader before knew', async () => {
    found = told;
    await recorder.onStatus(leads().state, { ...statusOf('a'), role: 'leader', atRisk: null });
    assert.deepEqual([held.length, written], [1, []]);
  });

  it('is told again when etcd did not take it', async () => {
    const host = leads();
    isRefused = true;
    await status(host, lacking('b'));
    isRefused = false;
    await status(host, lacking('b'));
    assert.equal(written.length, 2);
    await status(host, lacking('b'));
    assert.equal(written.length, 2);
  });

  it('is read again, and told again, when it is not as it was read', async () => {
    const host = leads();
    await status(host, lacking('b'));
    modRevision += 1;
    nowMs += 6000;
    await status(host, lacking('b', 2));
    await status(host, lacking('b', 2));
    await status(host, lacking('b', 2));
    assert.equal(written.length, 3, 'of which the second was refused');
  });

  it('goes on from what the leader before knew', async () => {
    found = told;
    await status(leads());
    assert.deepEqual(held, [[{ nodeId: 'b', position: { epoch: 100, sequence: 7 } }]]);
    assert.deepEqual(written.at(-1)?.hosts, [], 'what it told is taken back');
    await status(leads());
    assert.equal(held.length, 1, 'once in a leadership');
  });

  it('tells a replicator that started anew what is known by then', async () => {
    found = told;
    await status(leads(), { ...lacking('c'), holds: { epoch: 200, sequence: 9 } });
    recorder.onReplicatorStarted();
    await status(leads());
    assert.deepEqual(held, [
      [{ nodeId: 'b', position: { epoch: 100, sequence: 7 } }],
      [{ nodeId: 'c', position: { epoch: 200, sequence: 9 } }],
    ]);
  });

  it('keeps what a host lacked that was made to lead by force, until that happens again', async () => {
    found = { ...told, hosts: [lacking('a')] };
    const operation = { id: 'x', kind: 'failover', force: true, to: 'a' };
    const forced = leads().read({
      leader: { ...leaderOf('a', 200), operationId: 'x' },
      operation: operation as never,
    });
    await status(forced);
    const expected = { host: lacking('a'), by: 'c', at: told.at, epoch: 200 };
    assert.deepEqual(written.at(-1)?.takenOverWithout, expected);
    recorder = newRecorder();
    found = { ...told, epoch: 200, hosts: [lacking('a', 9)], takenOverWithout: expected };
    await status(forced);
    assert.deepEqual(written.at(-1)?.takenOverWithout, expected, 'another process of the same leadership');
    found = written.at(-1) ?? null;
    await status(leads(300));
    assert.deepEqual(written.at(-1)?.takenOverWithout, expected);
  });

  it('says nothing of force when the host was in sync', async () => {
    found = { ...told, hosts: [lacking('a')] };
    await status(leads());
    assert.equal(written.at(-1)?.takenOverWithout, null);
  });

  it('fits into a value of etcd, however long the names', async () => {
    const long = (nodeId: string): HostAtRisk => ({
      ...lacking(nodeId, 100),
      names: Array.from({ length: 100 }, (_, i) => ({ path: `${i}${'ж'.repeat(250)}`, change: 'stored' })),
    });
    await status(leads(), ...['b', 'c', 'd', 'e', 'f'].map(long));
    const [record] = written;
    assert.ok(Buffer.byteLength(JSON.stringify(record)) < 64 * 1024);
    assert.ok(record?.hosts.every(({ names, total }) => names.length > 10 && total === 100));
  });
});
