import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pino from 'pino';
import { Operator } from '../../../../supervisor/control/operator.ts';
import type { OperationRequest } from '../../../../supervisor/core/operation/request.ts';
import type { OperationRecord } from '../../../../supervisor/core/records/operation.ts';
import type { ClusterStore } from '../../../../supervisor/runtime/ports.ts';
import { leaderOf, liveNode, view } from '../core/leadership/host.ts';
import { operationOf } from '../core/leadership/operations.ts';
import { noting } from '../runtime/parts.ts';

const at = '2026-11-26T03:00:00.000Z';
const nodes = [liveNode('a'), liveNode('b', { priority: 50 }), liveNode('c')];
const request: OperationRequest = {
  ...{ kind: 'switchover', to: null, at: null, drainMs: 0, force: false, drill: false, by: 'root' },
  dryRun: false,
};

/** An operator's host that reads this of the cluster, and whose writes go through or do not. */
function operatorWho(parts: Parameters<typeof view>[0], isWritten = true) {
  const asked: unknown[][] = [];
  const written = async () => isWritten;
  const store = noting<ClusterStore>(asked, {
    read: async () => view({ nodes, ...parts }),
    writeOperation: written,
    writePause: written,
    mendKey: written,
    beginEra: written,
  });
  const operator = new Operator({
    store,
    clock: { bootTimeMs: () => 0, wallTimeIso: () => at },
    log: pino({ level: 'silent' }),
    onWritten: () => asked.push(['read soon']),
  });
  return { operator, asked, first: () => asked.find(([method]) => method !== 'read') };
}

describe('what an operator asks for', () => {
  const leader = leaderOf('a', 200);

  it('is written down for its moment: a switchover that names nobody goes to the best one then', async () => {
    const { operator, first } = operatorWho({ leader });
    const record = await operator.request({ ...request, at: '2026-11-26T05:00:00+01:00' });
    assert.deepEqual(first(), ['writeOperation', record, 0, null]);
    const { from, to, epoch, state, supersedes } = record;
    assert.deepEqual(
      { from, to, epoch, state, supersedes },
      {
        ...{ from: 'a', to: null, epoch: 200, state: 'pending', supersedes: null },
      },
    );
    assert.equal(record.at, '2026-11-26T04:00:00.000Z');
  });

  it('is for a failover a host, and takes the place of what nobody works on', async () => {
    const left = operationOf({ id: '89abcdef', state: 'running' });
    const { operator, first } = operatorWho({ operation: left });
    const record = await operator.request({ ...request, kind: 'failover' });
    assert.deepEqual([record.to, record.epoch, record.supersedes], ['a', 0, '89abcdef']);
    assert.deepEqual(first(), ['writeOperation', record, left.modRevision, null]);
  });

  it('is called off until its clients are let go, or its target leads', async () => {
    const running = operationOf({ state: 'running', step: 'draining' });
    const { operator, first } = operatorWho({ leader, operation: running });
    await operator.cancel('root');
    const [, called] = first() ?? [];
    assert.equal((called as OperationRecord).cancelledBy, 'root');
    const late = { code: 'OPERATION_TOO_LATE' };
    const leaving = operatorWho({ leader, operation: { ...running, step: 'leaving' } });
    await assert.rejects(leaving.operator.cancel('root'), late);
    const moved = { ...leaderOf('c', 300), operationId: running.id };
    await assert.rejects(operatorWho({ leader: moved, operation: running }).operator.cancel('root'), late);
    await assert.rejects(operatorWho({ leader }).operator.cancel('root'), { code: 'NO_OPERATION' });
  });

  it('is a pause that lets the host that leads take over again, and no other', async () => {
    const { operator, first } = operatorWho({ leader });
    await operator.pause('root', 'upgrade');
    assert.deepEqual(first(), ['writePause', { by: 'root', at, reason: 'upgrade', leader: 'a' }, 0, null]);
  });

  it('is refused when somebody else wrote at the same moment', async () => {
    const changed = { code: 'CHANGED_MEANWHILE' };
    const paused = { by: 'root', at, reason: '', leader: null };
    await assert.rejects(operatorWho({ leader }, false).operator.request(request), changed);
    await assert.rejects(operatorWho({}, false).operator.pause('root', ''), changed);
    await assert.rejects(operatorWho({ paused }, false).operator.resume('root'), changed);
  });

  it('is refused when it is about something else than the operator was shown', async () => {
    const changed = { code: 'CHANGED_MEANWHILE' };
    const { revisions } = view({});
    const unreadable = { unreadable: ['paused'] as const, revisions: { ...revisions, paused: 12 } };
    for (const shown of [11, 13]) {
      await assert.rejects(operatorWho(unreadable).operator.mend('root', 'paused', shown), changed);
    }
    const mended = operatorWho(unreadable);
    await mended.operator.mend('root', 'paused', 12);
    assert.deepEqual(mended.first(), ['mendKey', 'paused', 12, null]);
    const restored = { seen: 900, found: 60, by: 'b', at };
    const [a, b] = nodes;
    const two = { restored, nodes: [a ?? assert.fail(), b ?? assert.fail()] };
    await assert.rejects(operatorWho(two).operator.acceptRestored('root', ['a', 'c']), changed);
    const accepted = operatorWho(two);
    await accepted.operator.acceptRestored('root', ['a', 'b']);
    assert.equal(accepted.first()?.[0], 'beginEra');
  });
});
