import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { watchdogFact } from '../../../../../supervisor/health/checks/watchdog.ts';
import type { Watchdog } from '../../../../../supervisor/runtime/ports.ts';

describe('the fact of the watchdog', () => {
  it('forbids to lead when it cannot be used and is required, and warns otherwise', async () => {
    const level = async (problem: string | null, isRequired: boolean) =>
      (await watchdogFact({ timeoutMs: 2000, problem: async () => problem } as Watchdog, isRequired)).level;
    assert.deepEqual([await level(null, true), await level(null, false)], ['ok', 'ok']);
    assert.deepEqual([await level('nowayout', true), await level('nowayout', false)], ['bad', 'warn']);
  });
});
