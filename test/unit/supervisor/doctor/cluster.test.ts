import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it } from 'node:test';
import type { Status } from '../../../../supervisor/control/status.ts';
import { unreadableLeader } from '../../../../supervisor/core/records/records.ts';
import { whatIsTold } from '../../../../supervisor/doctor/examine.ts';
import { fine, levelOf } from '../../../../supervisor/doctor/finding.ts';
import { examinePort } from '../../../../supervisor/doctor/port.ts';
import { listenersIn } from '../../../../supervisor/health/checks/sftp-port.ts';
import { fact, hostOf, old, reason, statusOfA, statusOfB } from '../control/statuses.ts';

/** What is not well, as `LEVEL CODE about`. */
function found(status: Status, cluster = false): string[] {
  return whatIsTold(status, [], cluster)
    .filter(({ level }) => level !== 'ok')
    .map(({ level, code, about }) => `${level} ${code} ${about}`);
}

describe('a doctor', () => {
  it('finds nothing where nothing is', () => {
    assert.deepEqual(found(statusOfA(), true), []);
  });

  it('says that nobody leads, and what is to be done', () => {
    const hosts = [hostOf('a', { ineligible: [reason('NOT_IN_SYNC')] }), hostOf('b', { role: 'away' })];
    const findings = whatIsTold(statusOfB({ leader: null, hosts }), [], false);
    assert.equal(findings[0]?.level, 'error');
    assert.equal(findings[0]?.code, 'NOT_LEADING');
    assert.match(findings[0]?.what ?? '', /^Nobody leads\. No host may take over by itself\.$/);
    assert.ok(findings.some(({ advice }) => advice === 'Run `holdfast failover`.'));
  });

  it('says that nothing is known where etcd does not answer', () => {
    assert.deepEqual(found(statusOfB({ view: old }), true), [
      'error CLUSTER_UNKNOWN service',
      'error CLUSTER_UNKNOWN the other hosts',
    ]);
  });

  it('says what to do about a leader key that cannot be read', () => {
    const leader = { node: unreadableLeader, epoch: 5, since: '', cause: 'unknown' } as const;
    assert.deepEqual(found(statusOfB({ leader })), [
      'error ETCD_VALUE_INVALID service',
      'warning ETCD_VALUE_INVALID holdfast etcd mend leader',
    ]);
  });

  it('says why this host may not lead: what waits for somebody is an error, what passes is none', () => {
    const own = (code: string) =>
      found(statusOfA({ hosts: [hostOf('a', { ineligible: [reason(code)] }), hostOf('b')] }));
    assert.deepEqual(own('PROMOTIONS_FAILED'), [
      'error PROMOTIONS_FAILED host a',
      'warning PROMOTIONS_FAILED holdfast clear',
    ]);
    assert.deepEqual(own('NOT_IN_SYNC'), ['warning NOT_IN_SYNC host a']);
  });

  it('says every fact of this host that it has not found itself', () => {
    const health = [fact('USERS_INVALID'), fact('MEMORY_LOW'), fact('DISK_LOW', 'bad')];
    const status = statusOfA({ hosts: [hostOf('a', { role: 'leader', health }), hostOf('b')], health });
    assert.deepEqual(found(status), [
      'error USERS_INVALID host a: fact USERS_INVALID',
      'warning MEMORY_LOW host a: fact MEMORY_LOW',
      'error DISK_LOW host a: fact DISK_LOW',
    ]);
    const known = whatIsTold(status, [fine('fact MEMORY_LOW', '')], false);
    assert.ok(!known.some(({ code }) => code === 'MEMORY_LOW'));
  });

  it('looks at the other hosts when told to: away, of another release, not well, with another clock', () => {
    const hosts = [
      hostOf('a', { role: 'leader' }),
      hostOf('b', { version: '0.9.0', health: [fact('CLOCK_DIFFERS')] }),
      hostOf('c', { role: 'away', version: null }),
      hostOf('d', { ineligible: [reason('SETTINGS_DIFFER')], health: [fact('QUARANTINED')] }),
    ];
    assert.deepEqual(found(statusOfA({ hosts })), []);
    assert.deepEqual(found(statusOfA({ hosts }), true), [
      'warning CLOCK_DIFFERS host b: fact CLOCK_DIFFERS',
      'warning RELEASE_DIFFERS host b',
      'error HOST_AWAY host c',
      'error SETTINGS_DIFFER host d',
      'error QUARANTINED host d: fact QUARANTINED',
    ]);
  });

  it('warns while there is still one, once', () => {
    const health = [fact('NO_SUCCESSOR')];
    const hosts = [hostOf('a', { role: 'leader', health }), hostOf('b', { inSync: false })];
    assert.deepEqual(found(statusOfA({ hosts, health })), ['warning NO_SUCCESSOR service']);
  });

  it('names keys in etcd that cannot be read', () => {
    const problems = [{ key: '/holdfast/lab/paused', what: 'is not JSON' }];
    assert.deepEqual(found(statusOfA({ problems })), [
      'error ETCD_VALUE_INVALID etcd key /holdfast/lab/paused',
    ]);
  });

  it('takes for an error what waits for a person', () => {
    for (const code of ['QUARANTINED', 'USERS_INVALID', 'CERTIFICATE_ENDED']) {
      assert.equal(levelOf({ level: 'warn', code }), 'error');
    }
    assert.equal(levelOf({ level: 'warn', code: 'CERTIFICATE_ENDS' }), 'warning');
    assert.equal(levelOf({ level: 'bad', code: 'LINK_DOWN' }), 'error');
  });
});

describe('a port in the tables of the kernel', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue
   0: 0100007F:08AE 00000000:0000 0A 00000000:00000000
   1: 0100007F:08AF 0100007F:08AE 01 00000000:00000000
   2: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0:0
`;

  const isListenedOn = (text: string, port: number) => listenersIn(text, port).length > 0;

  it('is listened on, or only used by a connection', () => {
    assert.equal(isListenedOn(table, 2222), true);
    assert.equal(isListenedOn(table, 2223), false);
    assert.equal(isListenedOn(table, 8080), true);
    assert.equal(isListenedOn('', 2222), false);
  });

  it('is taken on a standby, if somebody else than its own SFTP node listens', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const look = (status: Status) => examinePort({ sftp: { port } }, status);
    const processes = { supervisor: 1, sftpNode: null, replicator: 3 };
    assert.equal((await look(statusOfB({ processes }))).code, 'PORT_IN_USE');
    assert.equal((await look(statusOfA({ processes }))).level, 'ok', 'it serves');
    assert.equal((await look(statusOfB())).level, 'ok', 'it has an SFTP node');
    other.close();
    await once(other, 'close');
    assert.equal((await look(statusOfB({ processes }))).level, 'ok');
  });
});
