import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { LabHost } from '../../lab/host.ts';
import { Lab } from '../../lab/lab.ts';

/** Longer than a lease, so that whoever would claim has done so. */
const leaseIsOverMs = 4500;
const names = ['one', 'two', 'three'];

describe('a host whose folders were emptied', { timeout: 180_000 }, () => {
  let lab: Lab;
  let identity: string[];
  before(async () => {
    lab = await Lab.create();
    await lab.start();
    for (const name of names) await lab.client.sftp(lab.vipV4, `put /etc/hostname ${name}\n`);
    identity = identityOf(lab.host('a'));
    assert.ok(identity.length >= 3, 'users.yaml and host keys');
  });
  after(() => lab.dispose());

  /** Everything dies; then etcd is there, and this host alone, with these of its folders empty. */
  async function startsFirst(host: LabHost, ...emptied: string[]): Promise<void> {
    await lab.waitForService();
    for (const each of lab.hosts) await each.die();
    for (const folder of emptied) rmSync(join(host.folder, folder), { recursive: true, force: true });
    for (const each of lab.hosts) {
      await each.network.linkUp();
      each.startEtcd();
    }
    host.startSupervisor();
    await lab.wait(`${host.name} to be known as emptied, and out of the in-sync set`, async () => {
      const status = await host.status();
      const isTold = status.ineligible.some(({ code }) => code === 'ROOT_EMPTY');
      return isTold && status.inSync.length > 0 && !status.inSync.includes(host.name);
    });
    await delay(leaseIsOverMs);
    const { leader, phase } = await host.status();
    assert.deepEqual([leader, phase], [null, 'standby']);
  }

  async function othersBringItBack(host: LabHost): Promise<void> {
    for (const other of lab.others(host)) other.startSupervisor();
    const leader = await lab.waitForService();
    assert.notEqual(leader.name, host.name);
    for (const each of lab.hosts) {
      assert.deepEqual(readdirSync(join(each.filesRoot, 'alice')).sort(), [...names].sort(), each.name);
      assert.deepEqual(identityOf(each), identity, each.name);
    }
    await lab.wait(`${host.name} may lead again`, async () => (await host.status()).ineligible.length === 0);
  }

  it('does not lead, says so loudly, and is brought back by the others, which keep everything', async () => {
    const b = lab.host('b');
    await startsFirst(b, 'data', 'state', 'config');
    const errors = b.logLines().filter(({ level }) => level === 'error' || level === 50);
    assert.ok(
      errors.some(({ code }) => code === 'ROOT_EMPTY'),
      'in the log',
    );
    const why = await b.holdfast('why');
    assert.match(why.text, /b may not lead: ROOT_EMPTY: .*data/);
    const doctor = await b.holdfast('doctor');
    assert.match(doctor.text, /ERROR {4}ROOT_EMPTY/);
    assert.equal(doctor.exitCode, 1);
    assert.match((await b.holdfast('status')).text, /roots bad/);
    await othersBringItBack(b);
  });

  it('nor does it with its data folder alone emptied, as by a disk that is not mounted', async () => {
    const b = lab.host('b');
    await startsFirst(b, 'data');
    await othersBringItBack(b);
  });

  it('comes back by itself while another host leads: a disk was replaced', async () => {
    const leader = await lab.waitForService();
    const [standby] = lab.others(leader);
    assert.ok(standby);
    await standby.signalSupervisor('SIGKILL');
    await standby.release();
    for (const folder of ['data', 'state', 'config']) {
      rmSync(join(standby.folder, folder), { recursive: true, force: true });
    }
    standby.startSupervisor();
    await lab.wait(`${standby.name} to be in sync again`, async () => {
      const { inSync, ineligible } = await standby.status();
      return inSync.includes(standby.name) && ineligible.length === 0;
    });
    assert.deepEqual(readdirSync(join(standby.filesRoot, 'alice')).sort(), [...names].sort());
    assert.deepEqual(identityOf(standby), identity);
  });

  it('leads again when the others are away: it has what they have', async () => {
    const b = lab.host('b');
    for (const other of lab.others(b)) await other.signalSupervisor('SIGKILL');
    await lab.waitForLeader([b]);
    for (const name of names) await lab.client.sftp(lab.vipV4, `get ${name} ${name}.back\n`);
  });

  it('leads with what it has by an operator’s force, when it is all that is left', async () => {
    const b = lab.host('b');
    for (const other of lab.others(b)) other.startSupervisor();
    await startsFirst(b, 'data');
    const refused = await b.holdfast('failover', '--to', 'b', '--yes');
    assert.match(refused.text, /TARGET_INELIGIBLE/);
    const forced = await b.holdfast('failover', '--to', 'b', '--force', '--yes-lose-data');
    assert.equal(forced.exitCode, 0, forced.text);
    await lab.waitForLeader([b]);
    await lab.client.sftp(lab.vipV4, 'put /etc/hostname after\n');
    assert.deepEqual((await b.status()).inSync, ['b']);
  });
});

/** users.yaml and the host keys, with what is in them. */
function identityOf(host: LabHost): string[] {
  const keys = join(host.configRoot, 'host_keys');
  const files = [join(host.configRoot, 'users.yaml')];
  if (existsSync(keys)) files.push(...readdirSync(keys).map((name) => join(keys, name)));
  return files
    .filter((file) => existsSync(file))
    .map((file) => `${file.slice(host.configRoot.length)}: ${readFileSync(file, 'utf8')}`)
    .sort();
}
