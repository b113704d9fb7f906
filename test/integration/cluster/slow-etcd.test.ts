import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Lab } from '../../lab/lab.ts';

const slowMs = 500;

describe(`an etcd that takes ${slowMs} ms for each answer`, { timeout: 180_000 }, () => {
  let lab: Lab;
  before(async () => {
    lab = await Lab.create({ etcdBySlowWay: true });
    await lab.start();
  });
  after(() => lab.dispose());

  it('moves nothing, and the address never goes off', async () => {
    const leader = await lab.waitForService();
    const { epoch } = await leader.status();
    for (const host of lab.hosts) host.slowEtcd(slowMs);
    for (let look = 0; look < 150; look++) {
      await delay(100);
      const addresses = await leader.network.addresses();
      assert.ok(addresses.includes(lab.vipV4), `look ${look}: ${addresses.join(' ')}`);
      assert.ok(addresses.includes(lab.vipV6), `look ${look}: ${addresses.join(' ')}`);
    }
    const asked = performance.now();
    await leader.holdfast('history');
    assert.ok(performance.now() - asked >= slowMs, 'it is as slow as it is meant to be');
    const status = await leader.status();
    assert.deepEqual([status.phase, status.epoch], ['leading', epoch]);
    await lab.client.sftp(lab.vipV4, 'put /etc/hostname slowly\n');
  });

  it('lets an operator move the service', async () => {
    const leader = await lab.waitForService();
    const moved = await leader.holdfast('switchover', '--yes');
    assert.equal(moved.exitCode, 0, moved.text);
    assert.notEqual((await lab.waitForService()).name, leader.name);
    await lab.client.sftp(lab.vipV4, 'get slowly back\n');
  });

  it('lets another host take over', async () => {
    const leader = await lab.waitForService();
    await leader.signalSupervisor('SIGKILL');
    await lab.waitForLeader(lab.others(leader));
    await lab.client.sftp(lab.vipV4, 'get slowly back\nput /etc/hostname later\n');
    leader.startSupervisor();
    await lab.waitForService();
  });
});
