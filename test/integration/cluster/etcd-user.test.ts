import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Lab } from '../../lab/lab.ts';

const password = 'a password with spaces';
/** Longer than a token lives (2 s), and a lease (3 s). */
const tokensAreOverMs = 8000;

describe('an etcd that asks for a user', { timeout: 120_000 }, () => {
  let lab: Lab;
  before(async () => {
    lab = await Lab.create({ etcdUser: 'holdfast' });
    for (const host of lab.hosts) {
      writeFileSync(host.passwordFile, `${password}\n`, { mode: 0o600 });
      host.startEtcd();
    }
    const etcdctl = (...args: string[]) => lab.host('a').etcdctl(...args);
    await lab.wait('etcd', () => etcdctl('endpoint', 'health'));
    await etcdctl('user', 'add', 'root:root');
    await etcdctl('user', 'grant-role', 'root', 'root');
    await etcdctl('user', 'add', `holdfast:${password}`);
    await etcdctl('role', 'add', 'holdfast');
    await etcdctl('role', 'grant-permission', 'holdfast', 'readwrite', '/holdfast/lab/', '--prefix');
    await etcdctl('user', 'grant-role', 'holdfast', 'holdfast');
    await etcdctl('auth', 'enable');
    for (const host of lab.hosts) host.startSupervisor();
    await lab.waitForService();
  });
  after(() => lab.dispose());

  it('serves a cluster with a role for its own keys alone, and forgets tokens without anything moving', async () => {
    const leader = await lab.waitForService();
    const { epoch } = await leader.status();
    await delay(tokensAreOverMs);
    const status = await leader.status();
    assert.deepEqual([status.phase, status.epoch], ['leading', epoch]);
    await lab.client.sftp(lab.vipV4, 'put /etc/hostname kept\n');
  });

  it('may be started again, which forgets every token', async () => {
    const leader = await lab.waitForService();
    const { epoch } = await leader.status();
    for (const host of lab.hosts) {
      await host.stopEtcd('SIGTERM');
      host.startEtcd();
      await delay(2000);
    }
    const status = await leader.status();
    assert.deepEqual([status.phase, status.epoch], ['leading', epoch]);
  });

  it('lets the service be moved, and released after a crash', async () => {
    const leader = await lab.waitForService();
    const moved = await leader.holdfast('switchover', '--yes');
    assert.equal(moved.exitCode, 0, moved.text);
    const successor = await lab.waitForService();
    await successor.signalSupervisor('SIGKILL');
    await successor.release();
    const nodes = await successor.etcdctl(
      ...['--user', 'root:root', 'get', '--keys-only', '--prefix', '/holdfast/lab/nodes/'],
    );
    assert.match(nodes, new RegExp(`/${leader.name}\\b`));
    assert.doesNotMatch(nodes, new RegExp(`/${successor.name}\\b`), 'its lease is revoked');
    await lab.waitForLeader(lab.others(successor));
    successor.startSupervisor();
    await lab.waitForService();
    await lab.client.sftp(lab.vipV4, 'get kept back\n');
  });

  it('refuses a wrong password, which is said', async () => {
    const leader = await lab.waitForService();
    const [standby] = lab.others(leader);
    assert.ok(standby);
    await standby.signalSupervisor('SIGTERM');
    writeFileSync(standby.passwordFile, 'wrong\n');
    standby.startSupervisor();
    await lab.wait('the complaint', async () =>
      standby
        .logLines()
        .some(
          ({ code, msg }) => code === 'ETCD_AUTH_FAILED' && /invalid user ID or password/.test(String(msg)),
        ),
    );
    writeFileSync(standby.passwordFile, `${password}\n`);
    await standby.signalSupervisor('SIGKILL');
    standby.startSupervisor();
    await lab.waitForService();
  });
});
