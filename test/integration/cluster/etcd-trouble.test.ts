import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Lab } from '../../lab/lab.ts';

const etcdPorts = [2379, 2380];

describe('trouble with etcd', { timeout: 300_000 }, () => {
  let lab: Lab;
  before(async () => {
    lab = await Lab.create();
    await lab.start();
  });
  after(() => lab.dispose());

  for (const direction of ['in', 'out', 'both'] as const) {
    it(`the leader steps down when it is cut off from etcd (${direction})`, async () => {
      const leader = await lab.waitForService();
      const others = lab.others(leader);
      await leader.network.cut(
        others.map((host) => host.network),
        direction,
        etcdPorts,
      );
      const successor = await lab.waitForLeader(others);
      // The old leader's file transfers and address are over before the new one begins; look for a while.
      for (let look = 0; look < 10; look++) {
        assert.ok(
          !(await leader.network.addresses()).includes(lab.vipV4),
          `${leader.name} still has the address`,
        );
        await delay(20);
      }
      await lab.client.sftp(lab.vipV4, 'pwd\n');
      await leader.network.heal();
      await lab.waitForService();
      assert.equal((await leader.status()).leader?.node, successor.name);
    });
  }

  it('a lost etcd member moves nothing', async () => {
    const leader = await lab.waitForService();
    const { epoch } = await leader.status();
    for (const host of lab.hosts) {
      await host.stopEtcd();
      await delay(4000);
      const status = await leader.status();
      assert.deepEqual(
        [status.phase, status.epoch],
        ['leading', epoch],
        `after the loss of ${host.name}'s member`,
      );
      host.startEtcd();
      await delay(1500);
    }
  });

  it('a hiccup of all members that is shorter than the lease moves nothing', async () => {
    const leader = await lab.waitForService();
    const { epoch } = await leader.status();
    const cutAll = lab.hosts.map((host) => host.network);
    await leader.network.cut(cutAll, 'both', etcdPorts);
    await delay(1000);
    await leader.network.heal();
    await delay(3000);
    const status = await leader.status();
    assert.deepEqual([status.phase, status.epoch], ['leading', epoch]);
  });

  it('without any etcd nobody serves; the supervisors name the endpoints, stay, and come back', async () => {
    await lab.waitForService();
    for (const host of lab.hosts) await host.stopEtcd();
    await lab.wait('everybody to be a standby', async () => {
      const states = await Promise.all(lab.hosts.map((host) => host.status()));
      return states.every((status) => status.phase === 'standby');
    });
    for (const host of lab.hosts) {
      assert.ok(!(await host.network.addresses()).includes(lab.vipV4));
      assert.ok(host.supervisorIsRunning);
      const told = host.logLines().find((line) => line.code === 'ETCD_UNREACHABLE');
      for (const endpoint of ['10.77.0.11', '10.77.0.12', '10.77.0.13']) {
        assert.match(String(told?.msg), new RegExp(`http://${endpoint}:2379`));
      }
    }
    for (const host of lab.hosts) host.startEtcd();
    await lab.waitForService();
  });
});
