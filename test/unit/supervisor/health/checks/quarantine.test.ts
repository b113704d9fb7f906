import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { Config } from '../../../../../supervisor/config/schema.ts';
import { quarantineFact } from '../../../../../supervisor/health/checks/quarantine.ts';

describe('the quarantine', () => {
  const data = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  after(() => rmSync(data, { recursive: true }));
  const look = () => quarantineFact({ paths: { data } as Config['paths'] });

  it('is fine while nothing is in it but what the replicator keeps there', async () => {
    assert.equal((await look()).level, 'ok', 'there is none');
    mkdirSync(join(data, 'quarantine/.staging'), { recursive: true });
    assert.equal((await look()).level, 'ok');
  });

  it('is told with the folder that came last, whatever the epochs are', async () => {
    for (const name of ['99-2026-11-20T000000.000Z', '1000-2026-11-25T000000.000Z']) {
      mkdirSync(join(data, 'quarantine', name));
    }
    const fact = await look();
    assert.deepEqual([fact.level, fact.code], ['warn', 'QUARANTINED']);
    assert.match(fact.detail, /2 folder\(s\), the last 1000-2026-11-25/);
  });

  it('is told when it cannot be looked at', async () => {
    rmSync(join(data, 'quarantine'), { recursive: true });
    writeFileSync(join(data, 'quarantine'), '');
    assert.match((await look()).detail, /cannot be read/);
  });
});
