import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileChecks } from '../../../../supervisor/health/file-checks.ts';

describe('the checks that touch disks', () => {
  it('forbid to lead, but for those of certificates: whether etcd answers shows that', () => {
    const roots = { config: '/c', data: '/d', state: '/s' };
    const tls = { ca: '/ca.crt' };
    const checks = fileChecks({ roots, minFreeMiB: 1, tls, vipCommands: ['/v'], commands: ['ip'] }, () => 0);
    assert.deepEqual(
      checks.map(({ name, isAdvisory }) => [name, isAdvisory]),
      [
        ['config root', false],
        ['data root', false],
        ['state root', false],
        ['host keys', false],
        ['command /v', false],
        ['commands', false],
        ['certificates', true],
      ],
    );
  });
});
