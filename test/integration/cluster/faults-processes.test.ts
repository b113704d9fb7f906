import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { LabHost } from '../../lab/host.ts';
import { Lab } from '../../lab/lab.ts';
import { underScrutiny } from '../../lab/scrutiny.ts';

/** Longer than a lease lives. */
const freezeMs = 4000;

describe('processes that are killed or frozen under load', { timeout: 300_000 }, () => {
  let lab: Lab;
  before(async () => {
    lab = await Lab.create();
    await lab.start();
  });
  after(() => lab.dispose());

  async function sftpNodeOf(leader: LabHost): Promise<number> {
    return (await leader.status()).processes.sftpNode ?? assert.fail('no SFTP node');
  }

  async function killBoth(leader: LabHost): Promise<void> {
    const sftpNode = await sftpNodeOf(leader);
    const supervisorEnded = leader.signalSupervisor('SIGKILL');
    process.kill(sftpNode, 'SIGKILL');
    await supervisorEnded;
  }

  /** Waits for the command that is started after an extension of the address, and waits for the next one. */
  async function nextCommand(leader: LabHost): Promise<number> {
    const before = await leader.network.pidsOf('deadline-exec');
    return lab.wait('the next command to be ready', async () => {
      const ready = await leader.network.pidsOf('deadline-exec');
      return ready.find((pid) => !before.includes(pid)) ?? null;
    });
  }

  /**
   * Freezes a command that has been told what to do, and then the supervisor. On a slow machine the supervisor may have
   * given the command up, and ended it, before it was frozen itself: then with the next one.
   */
  async function freezeInCommand(leader: LabHost): Promise<number> {
    for (let attempt = 0; attempt < 5; attempt++) {
      const command = await nextCommand(leader);
      try {
        process.kill(command, 'SIGSTOP');
        // What it is to do is written to it all the same.
        await nextCommand(leader);
        await leader.signalSupervisor('SIGSTOP');
        process.kill(command, 0);
        return command;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
        await leader.signalSupervisor('SIGCONT');
      }
    }
    throw new Error('no command could be frozen in time');
  }

  async function isStandby(host: LabHost): Promise<boolean> {
    return (await host.status()).phase === 'standby';
  }

  it('an SFTP node that is frozen for a while loses nothing, and the service stays where it is', async () => {
    const leader = await lab.waitForService();
    const sftpNode = await sftpNodeOf(leader);
    const after = await underScrutiny(lab, async () => {
      process.kill(sftpNode, 'SIGSTOP');
      await delay(freezeMs);
      process.kill(sftpNode, 'SIGCONT');
    });
    assert.equal(after.name, leader.name);
  });

  it('an SFTP node that stays frozen is replaced on the same host', async () => {
    const leader = await lab.waitForService();
    const sftpNode = await sftpNodeOf(leader);
    const { epoch } = await leader.status();
    await underScrutiny(lab, async () => {
      process.kill(sftpNode, 'SIGSTOP');
      await lab.wait('a new epoch', async () => {
        const status = await leader.status();
        return status.phase === 'leading' && status.epoch > epoch;
      });
    });
    assert.notEqual(await sftpNodeOf(leader), sftpNode);
  });

  it('supervisor and SFTP node frozen together: another host takes over, and they thaw as a standby', async () => {
    const leader = await lab.waitForService();
    const sftpNode = await sftpNodeOf(leader);
    const successor = await underScrutiny(lab, async ({ load }) => {
      process.kill(sftpNode, 'SIGSTOP');
      await leader.signalSupervisor('SIGSTOP');
      await lab.waitForLeader(lab.others(leader));
      await load.more(1);
      await leader.signalSupervisor('SIGCONT');
      process.kill(sftpNode, 'SIGCONT');
      await lab.wait('the thawed host to be a standby', () => isStandby(leader));
    });
    assert.notEqual(successor.name, leader.name);
  });

  it('frozen while the address is being extended, its command with it: no address when they thaw', async () => {
    const leader = await lab.waitForService();
    const successor = await underScrutiny(lab, async ({ load }) => {
      const command = await freezeInCommand(leader);
      await lab.waitForLeader(lab.others(leader));
      process.kill(command, 'SIGCONT');
      await lab.wait('the command to have ended', async () => !existsSync(`/proc/${command}/fd/0`));
      assert.ok(!(await leader.network.addresses()).includes(lab.vipV4));
      await load.more(1);
      await leader.signalSupervisor('SIGCONT');
      await lab.wait('the thawed host to be a standby', () => isStandby(leader));
    });
    assert.notEqual(successor.name, leader.name);
  });

  it('a host that freezes whole, its etcd member with it, is taken over from and thaws as a standby', async () => {
    const leader = await lab.waitForService();
    const successor = await underScrutiny(lab, async ({ load }) => {
      await leader.network.signalAll('SIGSTOP');
      await lab.waitForLeader(lab.others(leader));
      await load.more(1);
      await leader.network.signalAll('SIGCONT');
      await lab.wait('the thawed host to be a standby', () => isStandby(leader));
    });
    assert.notEqual(successor.name, leader.name);
  });

  it('a replicator that is stopped for good: another host takes over, and the stopped one is killed', async () => {
    const leader = await lab.waitForService();
    await underScrutiny(lab, async ({ load }) => {
      const { replicator } = (await leader.status()).processes;
      assert.ok(replicator !== null);
      const waiting = await lab.client.wait(lab.vipV4);
      process.kill(replicator, 'SIGSTOP');
      await lab.waitForLeader(lab.others(leader));
      assert.equal(await Promise.race([waiting.ended.then(() => 'told'), delay(2000, 'waits')]), 'told');
      await load.more(1);
      await lab.wait(
        'another replicator in its place',
        async () => {
          const { processes, inSync } = await leader.status();
          return processes.replicator !== replicator && inSync.includes(leader.name);
        },
        30_000,
      );
      assert.ok(!existsSync(`/proc/${replicator}/fd/0`));
    });
  });

  it('supervisor and SFTP node killed at once: released by what systemd runs, another host takes over', async () => {
    const leader = await lab.waitForService();
    await underScrutiny(lab, async ({ load }) => {
      await killBoth(leader);
      await leader.release();
      assert.ok(!(await leader.network.addresses()).includes(lab.vipV4));
      await lab.waitForLeader(lab.others(leader));
      await load.more(1);
      leader.startSupervisor();
    });
  });

  it('supervisor and SFTP node killed at once: another host takes over with nobody cleaning up', async () => {
    const leader = await lab.waitForService();
    await underScrutiny(lab, async ({ load }) => {
      await killBoth(leader);
      await lab.waitForLeader(lab.others(leader));
      assert.ok(!(await leader.network.addresses()).includes(lab.vipV4));
      await load.more(1);
      leader.startSupervisor();
    });
  });
});
