import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { LabHost } from '../../lab/host.ts';
import { Lab } from '../../lab/lab.ts';
import type { NetworkHost } from '../../lab/network.ts';
import { underScrutiny } from '../../lab/scrutiny.ts';

const replicationPort = 7420;
/** More than are under way at once: the last of so many was begun after the first was acknowledged. */
const severalUploads = 4;

describe('links that fail under load', { timeout: 300_000 }, () => {
  let lab: Lab;
  before(async () => {
    lab = await Lab.create();
    await lab.start();
  });
  after(() => lab.dispose());

  function networksOf(hosts: readonly LabHost[]): NetworkHost[] {
    return hosts.map((host) => host.network);
  }

  /** As etcd holds it: who of them may take over. */
  async function inSyncSet(host: LabHost): Promise<string[]> {
    const value = await host.etcdctl('get', '--print-value-only', '/holdfast/lab/insync');
    return JSON.parse(value).members;
  }

  async function leadership(host: LabHost) {
    const { phase, epoch } = await host.status();
    return { phase, epoch };
  }

  it('the link of the leader goes down, its processes living on: another host takes over', async () => {
    const leader = await lab.waitForService();
    const successor = await underScrutiny(lab, async ({ load }) => {
      await leader.network.linkDown();
      await lab.waitForLeader(lab.others(leader));
      await load.more(1);
      await leader.network.linkUp();
      await lab.wait('the old leader to be a standby', async () => {
        return (await leader.status()).phase === 'standby';
      });
    });
    assert.notEqual(successor.name, leader.name);
  });

  it('the link of the leader flaps: nothing moves, and it serves over IPv4 and IPv6 again', async () => {
    const leader = await lab.waitForService();
    const before = await leadership(leader);
    await underScrutiny(lab, async () => {
      await leader.network.linkDown();
      await delay(700);
      await leader.network.linkUp();
    });
    assert.deepEqual(await leadership(leader), before);
    // The kernel takes IPv6 addresses off with the link.
    await lab.wait('the service over IPv6', () => lab.client.sftp(lab.vipV6, 'pwd\n').then(() => true));
  });

  for (const direction of ['in', 'out'] as const) {
    it(`the leader is cut off from its peers while clients reach it (${direction}): another host takes over`, async () => {
      const leader = await lab.waitForService();
      const successor = await underScrutiny(lab, async ({ load }) => {
        await leader.network.cut(networksOf(lab.others(leader)), direction);
        await lab.waitForLeader(lab.others(leader));
        await load.more(1);
        await leader.network.heal();
      });
      assert.notEqual(successor.name, leader.name);
    });

    it(`replication alone is cut (${direction}): standbys leave the in-sync set before anything is acknowledged without them (G3, G5)`, async () => {
      const leader = await lab.waitForService();
      const before = await leadership(leader);
      await underScrutiny(lab, async ({ load }) => {
        await leader.network.cut(networksOf(lab.others(leader)), direction, [replicationPort]);
        await load.more(severalUploads);
        assert.deepEqual(await inSyncSet(leader), [leader.name]);
        await leader.network.heal();
      });
      assert.deepEqual(await leadership(leader), before);
    });

    it(`the leader is cut off from clients (${direction}): nothing moves, since its peers reach it`, async () => {
      const leader = await lab.waitForService();
      const before = await leadership(leader);
      await underScrutiny(lab, async () => {
        await leader.network.cut([lab.client.network], direction);
        await delay(5000);
        await leader.network.heal();
      });
      assert.deepEqual(await leadership(leader), before);
    });
  }

  it('the leader dies after a standby lost replication: the standby that holds everything takes over (G5)', async () => {
    const leader = await lab.waitForService();
    const [behind, upToDate] = lab.others(leader);
    if (behind === undefined || upToDate === undefined) return assert.fail();
    const successor = await underScrutiny(lab, async ({ load }) => {
      await leader.network.cut([behind.network], 'both', [replicationPort]);
      await load.more(severalUploads);
      assert.deepEqual(await inSyncSet(leader), [leader.name, upToDate.name].sort());
      await leader.die();
      await lab.waitForLeader(lab.others(leader));
      assert.deepEqual(load.missingOn(upToDate), []);
      await leader.network.heal();
      await leader.comeBack();
    });
    assert.equal(successor.name, upToDate.name);
  });

  it('replication alone is cut where `strict` is set: uploads are refused until it is healed', async () => {
    await lab.waitForService();
    for (const host of lab.hosts) await host.signalSupervisor('SIGTERM');
    for (const host of lab.hosts) {
      const config = readFileSync(host.configFile, 'utf8');
      writeFileSync(host.configFile, config.replace('replication: { ', 'replication: { strict: true, '));
      host.startSupervisor();
    }
    const leader = await lab.waitForService();
    await underScrutiny(lab, async () => {
      await leader.network.cut(networksOf(lab.others(leader)), 'both', [replicationPort]);
      const caughtInTheAct = lab.client.sftp(lab.vipV4, 'put /etc/hostname caught\n');
      await Promise.all([
        assert.rejects(caughtInTheAct, /Failure/),
        lab.wait('nobody else to be in sync', async () => (await inSyncSet(leader)).length === 1),
      ]);
      await assert.rejects(lab.client.sftp(lab.vipV4, 'put /etc/hostname refused\n'), /dest open .*Failure/);
      await lab.wait('no session to be left', async () => (await leader.status()).activity.transfers === 0);
      await leader.network.heal();
    });
  });
});
