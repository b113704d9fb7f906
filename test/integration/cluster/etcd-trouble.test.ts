import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { LabHost } from '../../lab/host.ts';
import { Lab } from '../../lab/lab.ts';

const etcdPorts = [2379, 2380];

/** Asks the member of a host, from that host. */
async function gateway(host: LabHost, what: string, body: object): Promise<string> {
  const url = `http://${host.network.ipv4}:2379/v3/maintenance/${what}`;
  const script = `const a = await fetch(${JSON.stringify(url)}, { method: 'POST', body: ${JSON.stringify(JSON.stringify(body))} });
    process.stdout.write(await a.text());`;
  return (await host.exec(process.execPath, ['--input-type=module', '-e', script])).stdout;
}

describe('trouble with etcd', { timeout: 300_000 }, () => {
  let lab: Lab;
  before(async () => {
    lab = await Lab.create();
    await lab.start();
  });
  after(() => lab.dispose());

  it('has etcd led from another host than its own, whose death would cost an election on top', async () => {
    const leader = await lab.waitForLeader();
    const status = async (host: LabHost) => JSON.parse(await gateway(host, 'status', {}));
    const { header } = await status(leader);
    for (const host of lab.hosts) {
      const member = await status(host);
      if (member.leader !== member.header.member_id || host === leader) continue;
      await gateway(host, 'transfer-leadership', { targetID: header.member_id });
    }
    assert.equal((await status(leader)).leader, header.member_id);
    await lab.wait(
      'it to be led from elsewhere',
      async () => (await status(leader)).leader !== header.member_id,
    );
    assert.equal((await leader.status()).phase, 'leading');
  });

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
