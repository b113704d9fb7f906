import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MemberStatus } from '../../../../../supervisor/adapters/etcd/member-status.ts';
import { spaceProblem } from '../../../../../supervisor/health/checks/etcd-space.ts';

const mebibyte = 2 ** 20;

describe('the space of an etcd member', () => {
  const member = (parts: Partial<MemberStatus>): MemberStatus => ({
    clusterId: '1',
    memberId: '2',
    version: '3.4.23',
    leader: '2',
    raftIndex: 10n,
    dbBytes: 10 * mebibyte,
    quotaBytes: 100 * mebibyte,
    alarms: [],
    ...parts,
  });
  const told = (parts: Partial<MemberStatus>) => spaceProblem(member(parts), 'http://e:2379');

  it('is no problem while there is some', () => {
    assert.equal(told({ dbBytes: 79 * mebibyte }), null);
  });

  it('is one ahead of time, in numbers', () => {
    assert.deepEqual(told({ dbBytes: 80 * mebibyte }), {
      code: 'ETCD_SPACE_LOW',
      sentence: 'http://e:2379 holds 80 MiB of the 100 MiB that it may',
    });
  });

  it('is no problem when a member tells another error', () => {
    assert.equal(told({ alarms: ['etcdserver: no leader'] }), null);
  });

  it('is a worse one when it is used up', () => {
    assert.deepEqual(told({ alarms: ['memberID:2 alarm:NOSPACE'] }), {
      code: 'ETCD_ALARM',
      sentence: 'http://e:2379 refuses writes: memberID:2 alarm:NOSPACE',
    });
  });
});
