import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Host, leaderOf } from './host.ts';

const failedFiles = { files: 1, first: 'in/a' };
const inSync = (...members: string[]) => ({ members, epoch: 200, reason: '', modRevision: 9 });
const leader = leaderOf('b', 200);
const standby = () => new Host('a').ready().replicator('follower', 200, { failedFiles });

describe('a standby with files whose flush failed (P6)', () => {
  it('leaves the in-sync set first, and then fetches them anew', () => {
    const host = standby().read({ leader, inSync: inSync('a', 'b') });
    const { modRevision, cause } = host.order('leave') ?? assert.fail();
    assert.deepEqual([modRevision, cause.code], [9, 'FLUSH_FAILED']);
    assert.match(cause.sentence, /in\/a/);
    assert.equal(host.order('replace-failed-files'), undefined);
    assert.equal(host.order('replicator')?.want, 'follow');
    host.read({ leader, inSync: inSync('b') });
    assert.deepEqual(host.order('replace-failed-files'), { kind: 'replace-failed-files' });
    assert.equal(host.order('leave'), undefined);
    host.replicator('follower', 200, { failedFiles: null });
    assert.equal(host.order('replace-failed-files'), undefined);
  });

  it('touches nothing while nobody else leads, or it is not known who is in sync', () => {
    for (const view of [
      { leader: null, inSync: inSync('a', 'b') },
      { leader: null, inSync: inSync('b') },
      { leader, inSync: null },
      { leader, inSync: inSync(), unreadable: ['insync'] as const },
    ]) {
      const host = standby().read(view);
      assert.deepEqual([host.order('leave'), host.order('replace-failed-files')], [undefined, undefined]);
    }
  });

  it('goes on leading with them, when it does', () => {
    const host = new Host('a').leading(200).replicator('leader', 200, { failedFiles });
    host.read({ leader: leaderOf('a', 200) });
    assert.equal(host.phase, 'leading');
    assert.deepEqual([host.order('leave'), host.order('replace-failed-files')], [undefined, undefined]);
  });
});
