import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { OperationRecord } from '../../../../supervisor/core/records/operation.ts';
import type { ClusterView } from '../../../../supervisor/core/records/records.ts';
import type { ClusterStore } from '../../../../supervisor/runtime/ports.ts';
import { RecordWriter } from '../../../../supervisor/runtime/record-writer.ts';
import { view } from '../core/leadership/host.ts';
import { operationOf } from '../core/leadership/operations.ts';
import { noting } from './parts.ts';

const at = '2026-11-26T03:00:00.000Z';
const cause = { code: 'ROOT_EMPTY', sentence: 'the data root is empty' };
const inSync = { members: ['a', 'b', 'c'], epoch: 150, reason: '', modRevision: 7 };

describe('writing the records beside the leader key', () => {
  let asked: unknown[][];
  let reads: number;
  beforeEach(() => {
    asked = [];
    reads = 0;
  });
  const writerFor = (cluster: ClusterView) =>
    new RecordWriter({
      nodeId: 'a',
      store: noting<ClusterStore>(asked),
      clock: { bootTimeMs: () => 0, wallTimeIso: () => at },
      cluster: () => cluster,
      leaseId: () => '7',
      readAgain: () => {
        reads += 1;
      },
    });

  it('leaves the in-sync set as it was read, under the epoch that wrote it, and only itself', async () => {
    const writer = writerFor(view({ inSync }));
    await writer.write({ kind: 'leave', modRevision: 6, cause });
    assert.deepEqual(asked, [], 'it is another set by now');
    await writer.write({ kind: 'leave', modRevision: 7, cause });
    const left = { members: ['b', 'c'], epoch: 150, reason: 'a leaves: the data root is empty' };
    assert.deepEqual(asked, [['leaveInSync', left, 7]]);
    assert.equal(reads, 2);
  });

  it('tells of the operation that it is told for, under its leadership, and of no other', async () => {
    const writer = writerFor(view({ operation: operationOf() }));
    const report = {
      id: '0123abcd',
      epoch: 200,
      state: 'running',
      step: 'preparing',
      outcome: null,
    } as const;
    await writer.write({ kind: 'operation', epoch: 200, report: { ...report, id: '89abcdef' } });
    assert.deepEqual(asked, []);
    await writer.write({ kind: 'operation', epoch: 200, report });
    const [method, told, modRevision, epoch] = asked[0] ?? [];
    assert.deepEqual([method, modRevision, epoch], ['writeOperation', 300, 200]);
    assert.deepEqual((told as unknown as OperationRecord).steps, [{ step: 'preparing', at }]);
  });

  it('carries a pause on as it is, and settings over those that were read', async () => {
    const paused = { by: 'root', at, reason: 'upgrade', leader: 'b' };
    const read = view({ paused });
    const writer = writerFor({ ...read, revisions: { ...read.revisions, paused: 11, settings: 12 } });
    await writer.write({ kind: 'pause', epoch: 200, leader: 'a' });
    await writer.write({ kind: 'settings', epoch: 200, values: { 'sftp.port': '22' } });
    assert.deepEqual(asked, [
      ['writePause', { ...paused, leader: 'a' }, 11, 200],
      ['writeSettings', { node: 'a', epoch: 200, values: { 'sftp.port': '22' } }, 12],
    ]);
  });
});
