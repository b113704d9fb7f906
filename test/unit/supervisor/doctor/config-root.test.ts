import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Status } from '../../../../supervisor/control/status.ts';
import { configRootFindings } from '../../../../supervisor/doctor/config-root.ts';

const invalid = {
  name: 'users.yaml',
  level: 'warn' as const,
  code: 'USERS_INVALID',
  detail: '/config/users.yaml:2: users.0.name: expected string; the last good version is in force',
};
const undone = { ...invalid, code: 'CONFIG_EDIT_UNDONE', detail: 'users.yaml was edited on this host' };
const disk = { name: 'data root', level: 'warn' as const, code: 'DISK_LOW', detail: 'full' };

function findings(node: string, here: Status['health'], onLeader: Status['health']) {
  const hosts = [{ node: 'a', role: 'leader', health: onLeader }];
  return configRootFindings({ node, health: here, hosts } as unknown as Status);
}

describe('doctor and the replicated files', () => {
  it('says which file is not in force and why, by line, as an error with its advice', () => {
    const [finding, ...more] = findings('a', [invalid], [invalid, disk]);
    assert.deepEqual(more, []);
    assert.deepEqual(
      [finding?.level, finding?.code, finding?.what],
      ['error', 'USERS_INVALID', invalid.detail],
    );
    assert.match(String(finding?.advice), /Mend the line named of users.yaml/);
  });

  it('says so on a standby too, naming the leader', () => {
    const [finding, ...more] = findings('b', [], [invalid, disk]);
    assert.deepEqual(more, []);
    assert.match(String(finding?.what), /^on a, which leads: .*users.yaml:2/);
  });

  it('warns of an edit that was undone', () => {
    assert.deepEqual(
      findings('b', [undone], []).map(({ level }) => level),
      ['warning'],
    );
  });

  it('is content when everything is in force', () => {
    assert.deepEqual(
      findings('b', [], [disk]).map(({ level }) => level),
      ['ok'],
    );
  });
});
