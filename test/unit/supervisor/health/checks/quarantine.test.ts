import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { QuarantineSummary } from '#contracts/ipc/quarantine.ts';
import { quarantineFact } from '../../../../../supervisor/health/checks/quarantine.ts';

const nothing: QuarantineSummary = {
  ...{ entries: 0, bytes: 0, oldestAt: null, newestAt: null, isComplete: true },
  ...{ maxBytes: 1e9, maxAgeMs: 1e9 },
};
const oldestAt = '2026-11-20T03:00:00.000Z';

describe('the quarantine', () => {
  it('is well when nothing lies there, or nothing is known yet', () => {
    assert.equal(quarantineFact(null).level, 'ok');
    assert.equal(quarantineFact(nothing).detail, 'nothing');
    assert.equal(quarantineFact({ ...nothing, isComplete: false }).detail, 'not known yet');
  });

  it('is a warning when something does, with how many, how much and since when', () => {
    const fact = quarantineFact({ ...nothing, entries: 3, bytes: 4_200_001, oldestAt });
    assert.deepEqual([fact.level, fact.code], ['warn', 'QUARANTINED']);
    assert.match(fact.detail, /^3 thing\(s\).* 5 MB, the oldest since 2026-11-20T03:00:00.000Z$/);
  });

  it('says at least how many while it is still looked through', () => {
    const fact = quarantineFact({ ...nothing, entries: 3, bytes: 1, oldestAt, isComplete: false });
    assert.match(fact.detail, /^at least 3/);
  });
});
