import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { exitCodes } from '../../../supervisor/cli/exit-codes.ts';
import type { LabHost } from '../../lab/host.ts';
import { Lab } from '../../lab/lab.ts';

/** Longer than a lease of 3 s: whoever would take over has done so. */
const leaseIsOverMs = 5000;

describe('members of etcd', { timeout: 240_000 }, () => {
  let lab: Lab;
  let leader: LabHost;
  let epoch: number;
  before(async () => {
    lab = await Lab.create();
    await lab.start();
  });
  after(() => lab.dispose());
  beforeEach(async () => {
    leader = await lab.waitForService();
    ({ epoch } = await leader.status());
  });

  /** The member of a host, and the one that it takes for etcd's leader. (JSON.parse would round the numbers.) */
  async function memberOf(host: LabHost): Promise<{ id: bigint; led: bigint }> {
    const text = await host.etcdctl('endpoint', 'status', '-w', 'json');
    const number = (name: string) => BigInt(new RegExp(`"${name}":(\\d+)`).exec(text)?.[1] ?? 0);
    return { id: number('member_id'), led: number('leader') };
  }

  /** The host whose member leads etcd: not the one that leads Holdfast, or it is moved away from there. */
  function etcdLeader(): Promise<LabHost> {
    return lab.wait('etcd to be led from another host', async () => {
      for (const host of lab.hosts) {
        const { id, led } = await memberOf(host);
        if (id !== led) continue;
        if (host !== leader) return host;
        const [other] = lab.others(leader);
        if (other) await host.etcdctl('move-leader', (await memberOf(other)).id.toString(16));
      }
      return null;
    });
  }

  async function assertNothingMoved(): Promise<void> {
    await delay(leaseIsOverMs);
    const status = await leader.status();
    assert.deepEqual([status.phase, status.epoch], ['leading', epoch]);
    await lab.client.sftp(lab.vipV4, 'put /etc/hostname still-here\n');
  }

  it('whose leader is killed move nothing', async () => {
    const led = await etcdLeader();
    await led.stopEtcd();
    await assertNothingMoved();
    led.startEtcd();
  });

  it('whose leader stands still move nothing meanwhile, and lose nothing when it wakes up', async () => {
    const led = await etcdLeader();
    led.signalEtcd('SIGSTOP');
    await assertNothingMoved();
    led.signalEtcd('SIGCONT');
    // Before 3.4.29 and 3.5.11 it may end live leases when it wakes up (etcd-io/etcd#15247): then the service moves.
    await delay(leaseIsOverMs);
    await lab.waitForService();
    for (const host of lab.hosts) {
      const leads = (await host.status()).phase === 'leading';
      assert.equal((await host.network.addresses()).includes(lab.vipV4), leads, host.name);
    }
    await lab.client.sftp(lab.vipV4, 'get still-here back\nput /etc/hostname awake\n');
  });

  it('that die one after the other end the service with the majority, and bring it back with it', async () => {
    const [first, second] = lab.others(leader);
    await first?.stopEtcd();
    await assertNothingMoved();
    await second?.stopEtcd();
    await lab.wait('nobody to serve', async () => {
      const states = await Promise.all(lab.hosts.map((host) => host.status()));
      return states.every((status) => status.phase === 'standby');
    });
    for (const host of lab.hosts) assert.ok(!(await host.network.addresses()).includes(lab.vipV4));
    await leader.signalSupervisor('SIGTERM');
    leader.startSupervisor();
    const why = await lab.wait('the reasons of a host that started meanwhile', async () => {
      const { exitCode, text } = await leader.holdfast('why', leader.name);
      return exitCode === exitCodes.unknown ? text : null;
    });
    assert.match(why, new RegExp(`^${leader.name} is away: it holds no lease at etcd`, 'm'));
    assert.match(why, new RegExp(`^${leader.name} may not lead: CLUSTER_UNKNOWN`, 'm'));
    second?.startEtcd();
    const back = await lab.waitForLeader();
    await lab.client.sftp(lab.vipV4, 'get still-here back\n');
    first?.startEtcd();
    await lab.waitForService();
    assert.ok((await back.status()).epoch > epoch);
  });
});
