import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { LabHost } from '../../lab/host.ts';
import { Lab } from '../../lab/lab.ts';

/** Longer than a lease, so that whoever would claim has done so. */
const leaseIsOverMs = 4500;

describe('an etcd that is restored from an older snapshot', { timeout: 180_000 }, () => {
  let lab: Lab;
  let straggler: LabHost;
  before(async () => {
    lab = await Lab.create();
    await lab.start();
  });
  after(() => lab.dispose());

  const statuses = () => Promise.all(lab.hosts.map((host) => host.status()));
  const put = (name: string) => lab.client.sftp(lab.vipV4, `put /etc/hostname ${name}\n`);

  it('lets nobody lead, and every host says why', async () => {
    const first = await lab.waitForService();
    const snapshot = join(lab.folder, 'snapshot.db');
    await first.etcdctl('snapshot', 'save', snapshot);

    // Since then: another leader, a host that is out of the in-sync set, and files that it lacks.
    const [target, third] = lab.others(first);
    straggler = third ?? assert.fail();
    const moved = await first.holdfast('switchover', '--to', target?.name ?? '', '--yes');
    assert.equal(moved.exitCode, 0, moved.text);
    await lab.waitForService();
    await straggler.signalSupervisor('SIGKILL');
    await put('acknowledged');

    for (const host of lab.hosts) await host.stopEtcd();
    for (const host of lab.hosts) await host.restoreEtcd(snapshot);
    for (const host of lab.hosts) host.startEtcd();
    straggler.startSupervisor();
    await lab.wait('every host to refuse', async () => {
      const all = await statuses();
      return all.every(({ ineligible }) => ineligible.some(({ code }) => code === 'ETCD_WENT_BACK'));
    });
    await delay(leaseIsOverMs);
    for (const status of await statuses()) {
      assert.deepEqual([status.leader, status.phase], [null, 'standby'], status.node);
    }
  });

  it('still does after the supervisors were started again', async () => {
    for (const host of lab.hosts) await host.signalSupervisor('SIGTERM');
    for (const host of lab.hosts) host.startSupervisor();
    await lab.wait('all hosts to be there', async () =>
      (await statuses()).every(({ hosts }) => hosts.every(({ role }) => role !== 'away')),
    );
    await delay(leaseIsOverMs);
    for (const { leader } of await statuses()) assert.equal(leader, null);
    const why = await straggler.holdfast('why');
    assert.match(why.text, /may not lead: ETCD_WENT_BACK: etcd is at revision \d+, and \d+ was seen before/);
  });

  it('is gone on with by an operator: who holds most leads, in a later epoch, and nothing is lost', async () => {
    const shown = await straggler.holdfast('accept-etcd', '--dry-run');
    assert.match(shown.text, new RegExp(`${straggler.name} .*after it has caught up`), shown.text);
    const accepted = await straggler.holdfast('accept-etcd', '--yes');
    assert.equal(accepted.exitCode, 0, accepted.text);
    const leader = await lab.waitForService();
    assert.notEqual(leader.name, straggler.name);
    assert.ok((await leader.status()).epoch > 1_000_000_000);
    await lab.client.sftp(lab.vipV4, 'get acknowledged acknowledged.back\n');
    await put('later');
    for (const host of lab.hosts) {
      for (const name of ['acknowledged', 'later']) {
        assert.ok(existsSync(join(host.filesRoot, 'alice', name)), `${name} on ${host.name}`);
      }
    }
    const again = await leader.holdfast('accept-etcd', '--yes');
    assert.match(again.text, /NOT_RESTORED/);
  });

  it('moves and fails over in the new era as ever', async () => {
    const leader = await lab.waitForService();
    const moved = await leader.holdfast('switchover', '--yes');
    assert.equal(moved.exitCode, 0, moved.text);
    const successor = await lab.waitForService();
    await successor.signalSupervisor('SIGKILL');
    await successor.release();
    await lab.waitForLeader(lab.others(successor));
    await put('last');
  });
});
