import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { Order } from '../../../../supervisor/core/leadership/orders.ts';
import { LeadershipWriter } from '../../../../supervisor/runtime/leadership-writer.ts';
import type { Observation } from '../../../../supervisor/runtime/observation.ts';
import type { ClusterStore } from '../../../../supervisor/runtime/ports.ts';
import { noting } from './parts.ts';

type LeadershipOrder = Extract<Order, { kind: 'leadership' }>;

const since = '2026-11-26T03:00:00.000Z';
const cause = { code: 'SWITCHOVER', sentence: 'root asked for it' };
const record = { node: 'a', since, handedOverBy: null, handOverCause: null, operationId: null, downMs: null };
const claim: LeadershipOrder = {
  kind: 'leadership',
  want: 'claim',
  leaseId: '7',
  operationId: '0123abcd',
  claim: { inSyncModRevision: 5, operationModRevision: 6, alone: false, isNew: false },
};
const transfer: LeadershipOrder = {
  kind: 'leadership',
  want: 'transfer',
  epoch: 200,
  to: { node: 'c', leaseId: '9' },
  operationId: '0123abcd',
  closedAtMs: 9_700,
  cause,
};
const release: LeadershipOrder = { kind: 'leadership', want: 'release', epoch: 200, cause };
const renewEpoch: LeadershipOrder = { kind: 'leadership', want: 'renew-epoch', epoch: 200, leaseId: '7' };
const transferred = {
  ...record,
  ...{ node: 'c', cause: 'handed over by a', handedOverBy: 'a', handOverCause: cause },
  ...{ operationId: '0123abcd', downMs: 300 },
};

describe('writing the leader key', () => {
  let asked: unknown[][];
  let seen: Observation[];
  let reads: number;
  beforeEach(() => {
    asked = [];
    seen = [];
    reads = 0;
  });
  const write = (order: LeadershipOrder, answer: unknown) =>
    new LeadershipWriter({
      nodeId: 'a',
      store: noting<ClusterStore>(asked, {
        claimLeadership: async () => answer,
        moveLeadership: async () => answer,
        releaseLeadership: async () => {
          if (answer instanceof Error) throw answer;
        },
      }),
      clock: { bootTimeMs: () => 10_000, wallTimeIso: () => since },
      observe: (observation) => seen.push(observation),
      readAgain: () => {
        reads += 1;
      },
    }).write(order);
  const won = { won: true, epoch: 210 };

  it('tells of a claim that is won, with the operation that it acts for', async () => {
    await write(claim, won);
    const claimed = { ...record, cause: 'claimed', operationId: '0123abcd' };
    assert.deepEqual(asked, [['claimLeadership', claimed, '7', claim.want === 'claim' && claim.claim]]);
    assert.deepEqual(seen, [{ type: 'leader-written', leader: { ...claimed, epoch: 210, leaseId: '7' } }]);
    assert.equal(reads, 0);
  });

  it('hands over with the operation, the cause, and how long clients are shut out by then', async () => {
    await write(transfer, won);
    assert.deepEqual(asked, [['moveLeadership', 200, transferred, '9']]);
    const leader = { ...transferred, epoch: 210, leaseId: '9' };
    assert.deepEqual(seen, [{ type: 'leader-released', epoch: 200, leader }]);
  });

  it('tells of a release at the epoch that is over', async () => {
    await write(release, undefined);
    assert.deepEqual(asked, [['releaseLeadership', 200, { node: 'a', epoch: 200, cause }]]);
    assert.deepEqual(seen, [{ type: 'leader-released', epoch: 200, leader: null }]);
  });

  it('has the cluster read again after a race that was lost', async () => {
    for (const order of [claim, transfer, renewEpoch]) await write(order, { won: false });
    assert.deepEqual([seen.length, reads], [0, 3]);
  });

  it('has it read again, and is tried again, when no answer came', async () => {
    await assert.rejects(write(release, new Error('no answer')), /no answer/);
    assert.deepEqual([seen.length, reads], [0, 1]);
  });
});
