import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { LabHost } from '../../lab/host.ts';
import { Lab } from '../../lab/lab.ts';

const typo = 'users:\n  - nme: x\n';

/** A mistake in what is replicated stays where it was made, and the service goes on through takeovers (G7). */
describe('a mistake in users.yaml or the host keys of the leader', { timeout: 300_000 }, () => {
  let lab: Lab;
  let leader: LabHost;
  let good: string;
  before(async () => {
    lab = await Lab.create();
    await lab.start();
    good = readFileSync(usersOf(lab.host('a')), 'utf8');
  });
  after(() => lab.dispose());
  beforeEach(async () => {
    leader = await lab.waitForService();
    await allMayLead();
  });

  const usersOf = (host: LabHost) => join(host.configRoot, 'users.yaml');

  function allMayLead(): Promise<boolean> {
    return lab.wait('every host to be in sync and able to lead', async () => {
      const { hosts } = await leader.status();
      return hosts.every(
        ({ inSync, role, ineligible }) => inSync && role !== 'away' && ineligible.length === 0,
      );
    });
  }

  /** But for edits of earlier tests, which are told for an hour. */
  const wrongOn = async (host: LabHost) =>
    (await host.status()).health.filter(({ code }) => /^(USERS?_|HOST_KEY_)/.test(code));
  const nothingIsWrong = async () => (await wrongOn(leader)).length === 0;

  /** A typo on the leader, and what `status` and `doctor` say of it there and on a standby. */
  async function makeTypo(): Promise<void> {
    writeFileSync(usersOf(leader), typo);
    for (const host of [leader, ...lab.others(leader).slice(0, 1)]) {
      const told = await lab.wait(`status on ${host.name} to say it`, async () => {
        const { text } = await host.holdfast('status');
        return /users\.yaml:2/.test(text) && text;
      });
      assert.match(
        told,
        new RegExp(`${leader.name}: users.yaml warn: .*users.yaml:2: users.0.name: .*last good`),
      );
      const doctor = await host.holdfast('doctor');
      assert.match(doctor.text, /USERS_INVALID: .*users\.yaml:2: users\.0\.name/);
      assert.equal(doctor.exitCode, 1);
    }
    await allMayLead();
    for (const host of lab.others(leader)) assert.equal(readFileSync(usersOf(host), 'utf8'), good);
  }

  it('does not end the service at a switchover; the host that had it says what became of it', async () => {
    await makeTypo();
    const asked = await leader.holdfast('switchover', '--yes');
    assert.equal(asked.exitCode, 0, asked.text);
    const successor = await lab.waitForService();
    assert.notEqual(successor.name, leader.name);
    await lab.client.sftp(lab.vipV4, 'pwd\n');
    const told = await lab.wait('the overwritten edit to be told', async () => {
      const { text } = await leader.holdfast('doctor');
      return /CONFIG_EDIT_UNDONE: (.*)/.exec(text)?.[1];
    });
    assert.match(told, new RegExp(`and not on ${successor.name}, which leads`));
    const keptIn = /kept in (\S+)/.exec(told)?.[1] ?? assert.fail(told);
    assert.equal(readFileSync(keptIn, 'utf8'), typo);
  });

  it('does not end the service when the leader dies, nor when its SFTP node does', async () => {
    await makeTypo();
    const { processes } = await leader.status();
    process.kill(processes.sftpNode ?? assert.fail(), 'SIGKILL');
    await lab.wait('the same host to serve again', async () => {
      const status = await leader.status();
      const { sftpNode } = status.processes;
      return status.phase === 'leading' && sftpNode !== null && sftpNode !== processes.sftpNode;
    });
    await lab.client.sftp(lab.vipV4, 'pwd\n');
    await leader.die();
    await lab.waitForLeader(lab.others(leader));
    await lab.client.sftp(lab.vipV4, 'pwd\n');
    await leader.comeBack();
    await lab.waitForService();
    assert.equal(readFileSync(usersOf(leader), 'utf8'), good);
  });

  it('is over everywhere once it is mended on the leader', async () => {
    await makeTypo();
    const mended = `${good}  - { name: bob, publicKeys: [garbage] }\n  - { name: carol }\n`;
    writeFileSync(usersOf(leader), mended);
    await lab.wait('the mended file on every host', async () =>
      lab.hosts.every((host) => readFileSync(usersOf(host), 'utf8') === mended),
    );
    // The one entry that is still wrong concerns one user.
    for (const host of lab.hosts) {
      const told = await lab.wait(`status on ${host.name}`, async () => {
        const facts = await wrongOn(host);
        return facts[0]?.code === 'USER_LEFT_OUT' && facts;
      });
      assert.match(String(told[0]?.detail), /users\.yaml:\d+: user bob is left out/);
    }
    await lab.client.sftp(lab.vipV4, 'pwd\n');
    writeFileSync(usersOf(leader), good);
    await lab.wait('nothing to be wrong', nothingIsWrong);
    await allMayLead();
  });

  it('in a host key does not change what clients know the service by', async () => {
    const key = join(leader.configRoot, 'host_keys/ssh_host_ed25519_key');
    const before = readFileSync(key);
    writeFileSync(key, 'garbage');
    await lab.wait('status to say it', async () =>
      /HOST_KEY_INVALID/.test((await leader.holdfast('doctor')).text),
    );
    const { processes } = await leader.status();
    process.kill(processes.sftpNode ?? assert.fail(), 'SIGKILL');
    await lab.wait('the same host to serve again', async () => {
      const status = await leader.status();
      const { sftpNode } = status.processes;
      return status.phase === 'leading' && sftpNode !== null && sftpNode !== processes.sftpNode;
    });
    // The client knows the key, and takes no other one.
    await lab.client.sftp(lab.vipV4, 'pwd\n');
    for (const host of lab.others(leader)) {
      assert.deepEqual(readFileSync(join(host.configRoot, 'host_keys/ssh_host_ed25519_key')), before);
    }
    writeFileSync(key, before);
    chmodSync(key, 0o600);
    await lab.wait('nothing to be wrong', nothingIsWrong);
  });
});
