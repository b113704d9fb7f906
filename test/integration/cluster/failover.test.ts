import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { LabHost } from '../../lab/host.ts';
import { Lab } from '../../lab/lab.ts';

/** One cluster that lives through everything in turn; each test starts from all hosts in sync. */
describe('a cluster of three', { timeout: 300_000 }, () => {
  let lab: Lab;
  let uploads = 0;

  before(async () => {
    lab = await Lab.create();
    await lab.start();
  });
  after(() => lab.dispose());

  async function upload(): Promise<{ name: string; bytes: Buffer }> {
    uploads += 1;
    const name = `file-${uploads}.bin`;
    const bytes = randomBytes(1_500_000);
    writeFileSync(join(lab.client.folder, name), bytes);
    await lab.client.sftp(lab.vipV4, `put ${name}\n`);
    return { name, bytes };
  }

  /** Strict host key checking is on: another key would make sftp fail. */
  async function assertReadBack({ name, bytes }: { name: string; bytes: Buffer }): Promise<void> {
    await lab.client.sftp(lab.vipV4, `get ${name} back.bin\n`);
    assert.ok(readFileSync(join(lab.client.folder, 'back.bin')).equals(bytes), `${name} differs`);
  }

  async function assertOneServes(leader: LabHost): Promise<void> {
    for (const host of lab.hosts) {
      const addresses = await host.network.addresses();
      assert.equal(addresses.includes(lab.vipV4), host === leader, `${host.name} has ${addresses.join(' ')}`);
      assert.equal(addresses.includes(lab.vipV6), host === leader, `${host.name} has ${addresses.join(' ')}`);
    }
  }

  async function takenOverFrom(leader: LabHost): Promise<LabHost> {
    return lab.waitForLeader(lab.others(leader));
  }

  it('elects one leader, which alone has the virtual IPs and an SFTP node', async () => {
    const leader = await lab.waitForService();
    await assertOneServes(leader);
    for (const host of lab.hosts) {
      const { processes } = await host.status();
      assert.equal(processes.sftpNode !== null, host === leader);
    }
  });

  it('serves over IPv4 and IPv6', async () => {
    const file = await upload();
    await lab.client.sftp(lab.vipV6, `get ${file.name} six.bin\n`);
    assert.ok(readFileSync(join(lab.client.folder, 'six.bin')).equals(file.bytes));
  });

  it('has an acknowledged file on every host at once (G3)', async () => {
    const { name, bytes } = await upload();
    for (const host of lab.hosts) {
      assert.ok(readFileSync(join(host.filesRoot, 'alice', name)).equals(bytes), `${host.name} lacks it`);
    }
  });

  it('takes users written on the leader over to the others', async () => {
    const leader = await lab.waitForService();
    const key = readFileSync(`${lab.client.keyFile}.pub`, 'utf8').trim();
    const text = `users:\n  - name: alice\n    publicKeys: [${key}]\n  - name: bea\n    publicKeys: [${key}]\n`;
    writeFileSync(join(leader.configRoot, 'users.yaml'), text, { mode: 0o600 });
    await lab.wait('the users on every host', async () =>
      lab.hosts.every((host) => readFileSync(join(host.configRoot, 'users.yaml'), 'utf8') === text),
    );
    await lab.wait('the new user to get in', () =>
      lab.client.sftp(lab.vipV4, 'pwd\n', 'bea').then(() => true),
    );
  });

  it('hands over at SIGTERM', async () => {
    const file = await upload();
    const leader = await lab.waitForService();
    await leader.signalSupervisor('SIGTERM');
    const successor = await takenOverFrom(leader);
    await assertOneServes(successor);
    assert.equal((await successor.status()).leader?.cause, `handed over by ${leader.name}`);
    await assertReadBack(file);
    leader.startSupervisor();
    await lab.waitForService();
  });

  it('takes over from a host that died, with the same bytes, login and host key', async () => {
    const file = await upload();
    const leader = await lab.waitForService();
    await leader.die();
    await takenOverFrom(leader);
    await assertReadBack(file);
    const later = await upload();
    await leader.comeBack();
    await lab.waitForService();
    assert.ok(readFileSync(join(leader.filesRoot, 'alice', later.name)).equals(later.bytes), 'it caught up');
  });

  it('starts a killed SFTP node again on the same host', async () => {
    const leader = await lab.waitForService();
    const { processes, epoch } = await leader.status();
    process.kill(processes.sftpNode ?? assert.fail(), 'SIGKILL');
    await lab.wait('a new epoch', async () => {
      const status = await leader.status();
      return status.phase === 'leading' && status.epoch > epoch;
    });
    await assertReadBack(await upload());
    await lab.waitForService();
  });

  it('is taken over when its supervisor is killed, without anybody cleaning up', async () => {
    const file = await upload();
    const leader = await lab.waitForService();
    await leader.signalSupervisor('SIGKILL');
    const successor = await takenOverFrom(leader);
    await assertOneServes(successor);
    await assertReadBack(file);
    leader.startSupervisor();
    await lab.waitForService();
  });

  it('gives the address and the lease up when what systemd runs after a crash has run', async () => {
    const leader = await lab.waitForService();
    await leader.signalSupervisor('SIGKILL');
    await leader.release();
    assert.ok(!(await leader.network.addresses()).includes(lab.vipV4));
    await takenOverFrom(leader);
    leader.startSupervisor();
    await lab.waitForService();
  });

  it('goes on when a replicator is killed', async () => {
    const leader = await lab.waitForService();
    const { processes } = await leader.status();
    process.kill(processes.replicator ?? assert.fail(), 'SIGKILL');
    // On a slow machine it is not back within the second that it has, and another host leads.
    await lab.wait('another replicator, or another leader', async () => {
      const now = await lab.waitForService();
      const { replicator } = (await now.status()).processes;
      return now !== leader || (replicator !== null && replicator !== processes.replicator);
    });
    await assertReadBack(await upload());
  });

  it('is off the address by the kernel when its supervisor is frozen, and serves nobody when it thaws (G1, G2)', async () => {
    const file = await upload();
    const leader = await lab.waitForService();
    await leader.signalSupervisor('SIGSTOP');
    const successor = await takenOverFrom(leader);
    await assertOneServes(successor);
    await assertReadBack(file);
    await leader.signalSupervisor('SIGCONT');
    await lab.wait(
      'the thawed host to be a standby',
      async () => (await leader.status()).phase === 'standby',
    );
    await assertOneServes(successor);
    await lab.waitForService();
  });

  it('takes a leftover virtual IP off at boot', async () => {
    const leader = await lab.waitForService();
    const [standby] = lab.others(leader);
    const host = standby ?? assert.fail();
    await host.signalSupervisor('SIGTERM');
    await host.network.ip('addr', 'add', `${lab.vipV6}/64`, 'dev', 'eth0', 'nodad');
    host.startSupervisor();
    await lab.wait('the leftover to go', async () => !(await host.network.addresses()).includes(lab.vipV6));
    await lab.waitForService();
    await delay(200);
    await assertOneServes(leader);
  });
});
