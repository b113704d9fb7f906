import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { LabHost } from '../../lab/host.ts';
import { Lab } from '../../lab/lab.ts';

const address = '10.77.0.100';

/** What a sysadmin would write, with the host's own `ip` in the place of a cloud or a router. */
const mover = `#!/bin/sh
set -eu
is_here() { [ -n "$(/sbin/ip -o addr show dev eth0 to "$1")" ]; }
case $1 in
  present)
    /sbin/ip addr replace "$2" dev eth0
    /usr/bin/arping -q -U -c 1 -w 1 -I eth0 "\${2%/*}" || true
    ;;
  absent)
    is_here "\${2%/*}" || exit 0
    /sbin/ip addr del "$2" dev eth0
    ;;
  check)
    is_here "\${2%/*}" || exit 1
    ;;
esac
`;

/** One address by a command, one by the kernel: both are on the leader, or neither. */
describe('a cluster with a virtual IP that a command moves', { timeout: 300_000 }, () => {
  let lab: Lab;
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  const command = join(folder, 'move-address');

  before(async () => {
    writeFileSync(command, mover);
    chmodSync(command, 0o755);
    lab = await Lab.create({
      vips: `  - { address: ${address}/24, command: ${command} }\n  - { address: "fd77::100/64", interface: eth0 }`,
    });
    await lab.start();
  });
  after(async () => {
    await lab.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  async function assertOnlyAt(leader: LabHost): Promise<void> {
    for (const host of lab.hosts) {
      const addresses = await host.network.addresses();
      assert.equal(addresses.includes(lab.vipV4), host === leader, `${host.name} has ${addresses.join(' ')}`);
      assert.equal(addresses.includes(lab.vipV6), host === leader, `${host.name} has ${addresses.join(' ')}`);
    }
  }

  async function assertServed(): Promise<void> {
    assert.match(await lab.client.sftp(lab.vipV4, 'pwd\n'), /working directory: \//);
    assert.match(await lab.client.sftp(lab.vipV6, 'pwd\n'), /working directory: \//);
  }

  it('serves at both, and says so', async () => {
    const leader = await lab.waitForService();
    await assertOnlyAt(leader);
    await assertServed();
    assert.deepEqual((await leader.status()).vips, [`${address}/24`, 'fd77::100/64']);
    const { health } = await leader.status();
    assert.equal(health.find(({ name }) => name === `command ${command}`)?.level, 'ok');
  });

  it('moves it when the leader is told to stop', async () => {
    const leader = await lab.waitForService();
    await leader.signalSupervisor('SIGTERM');
    const successor = await lab.waitForLeader(lab.others(leader));
    assert.equal((await successor.status()).leader?.cause, `handed over by ${leader.name}`);
    await assertOnlyAt(successor);
    await assertServed();
    leader.startSupervisor();
    await lab.waitForService();
  });

  it('moves it when the leader dies, and takes off what a host finds when it comes back', async () => {
    const leader = await lab.waitForService();
    await leader.die();
    const successor = await lab.waitForLeader(lab.others(leader));
    await assertServed();
    assert.ok((await leader.network.addresses()).includes(lab.vipV4), 'the dead host could not take it off');
    await leader.comeBack();
    await lab.waitForService();
    await assertOnlyAt(successor);
  });

  it('takes it over again when somebody took it away', async () => {
    const leader = await lab.waitForService();
    const { epoch } = await leader.status();
    await leader.network.ip('addr', 'del', `${address}/24`, 'dev', 'eth0');
    await lab.wait('the address to be back', async () =>
      (await leader.network.addresses()).includes(lab.vipV4),
    );
    assert.equal((await leader.status()).epoch, epoch, 'the same leadership');
    await assertServed();
  });

  it('is off after `holdfast release`', async () => {
    const leader = await lab.waitForService();
    await leader.signalSupervisor('SIGKILL');
    await leader.release();
    assert.ok(!(await leader.network.addresses()).includes(lab.vipV4));
    await lab.waitForLeader(lab.others(leader));
    leader.startSupervisor();
    await lab.waitForService();
  });

  it('stays on a frozen host, whose successor takes it over, until that host thaws', async () => {
    const leader = await lab.waitForService();
    await leader.signalSupervisor('SIGSTOP');
    const successor = await lab.waitForLeader(lab.others(leader));
    const left = await leader.network.addresses();
    assert.deepEqual([left.includes(lab.vipV4), left.includes(lab.vipV6)], [true, false]);
    assert.ok((await successor.network.addresses()).includes(lab.vipV4));
    await leader.signalSupervisor('SIGCONT');
    await lab.wait(
      'the thawed host to be a standby',
      async () => (await leader.status()).phase === 'standby',
    );
    await assertOnlyAt(successor);
    await lab.waitForService();
  });

  it('does not let a host lead whose command is not fit to run', async () => {
    const leader = await lab.waitForService();
    chmodSync(command, 0o757);
    const standby = lab.others(leader)[0] ?? assert.fail();
    await lab.wait('the reason in status', async () =>
      (await standby.status()).ineligible.some(({ code }) => code === 'VIP_COMMAND_UNUSABLE'),
    );
    chmodSync(command, 0o755);
    await lab.wait('it to be fit again', async () => (await standby.status()).ineligible.length === 0);
    await assertServed();
  });
});
