import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Machine } from '../../lab/machine.ts';
import { waitFor } from '../../lab/wait.ts';
import { MachineCluster } from './support/machine-cluster.ts';

const capability = { bindService: 1 << 10, netAdmin: 1 << 12, netRaw: 1 << 13 };

describe('Holdfast as a systemd service on booted Debians', { timeout: 600_000 }, () => {
  const cluster = new MachineCluster();
  const { machines } = cluster;
  before(() => cluster.create());
  after(async () => {
    await cluster.dispose();
    assert.ok(!readFileSync('/proc/mounts', 'utf8').includes(cluster.folder), 'nothing stays mounted');
  });

  /** A property of the unit as systemd sees it. */
  async function unit(machine: Machine, property: string): Promise<string> {
    const { stdout } = await machine.exec('systemctl', ['show', '-p', property, '--value', 'holdfast']);
    return stdout;
  }

  /** What the service and systemd logged since the unit was started last, but for logins. */
  async function journalOfThisRun(machine: Machine): Promise<string> {
    const id = await unit(machine, 'InvocationID');
    const { stdout } = await machine.exec('journalctl', [
      ...['-o', 'cat', '--no-pager', `_SYSTEMD_INVOCATION_ID=${id}`, '+', `INVOCATION_ID=${id}`],
    ]);
    return stdout;
  }

  async function statusOfProcess(machine: Machine, pid: number | null) {
    const { stdout } = await machine.exec('cat', [`/proc/${pid}/status`]);
    return {
      uid: /^Uid:\s+(\d+)/m.exec(stdout)?.[1],
      capabilities: Number.parseInt(/^CapEff:\s+(\w+)/m.exec(stdout)?.[1] ?? '', 16),
    };
  }

  it('has a unit that systemd-analyze finds nothing wrong with', async () => {
    const [machine = assert.fail()] = machines;
    const path = '/usr/lib/systemd/system/holdfast.service';
    const { stdout, stderr } = await machine.exec('systemd-analyze', ['verify', '--man=no', path]);
    assert.equal(stdout + stderr, '');
  });

  it('starts, puts the virtual addresses on, and lets a user of users.yaml in', async () => {
    for (const machine of machines) await machine.exec('systemctl', ['enable', '--now', 'holdfast']);
    const leader = await cluster.serving();
    const usersFile = '/var/lib/holdfast/config/users.yaml';
    // As root leaves a file: the service cannot read it, says so, and goes on by itself once it can.
    await leader.exec('install', ['-m', '0600', '/root/users.yaml', usersFile]);
    await waitFor('USERS_UNREADABLE', async () => /USERS_UNREADABLE/.test(await journalOfThisRun(leader)));
    await leader.exec('chown', ['holdfast:holdfast', usersFile]);
    const { client, vipV4, vipV6 } = cluster;
    await waitFor('the login to work', () => client.sftp(vipV4, 'put id_ed25519.pub\n').then(() => true));
    assert.match(await client.sftp(vipV6, 'ls\n'), /id_ed25519\.pub/);
    await waitFor('users.yaml on the standby', async () => {
      return (await cluster.other(leader).exec('test', ['-s', usersFile], { reject: false })).exitCode === 0;
    });
    await cluster.inSync(leader);
  });

  it('runs as its own user, and the children have no power over the network', async () => {
    const leader = await cluster.serving();
    const { processes } = (await cluster.status(leader)) ?? assert.fail();
    const supervisor = await statusOfProcess(leader, processes.supervisor);
    assert.notEqual(supervisor.uid, '0');
    assert.equal(supervisor.capabilities, capability.bindService | capability.netAdmin | capability.netRaw);
    for (const child of [processes.sftpNode, processes.replicator]) {
      assert.equal((await statusOfProcess(leader, child)).capabilities, capability.bindService);
    }
  });

  it('tells systemd its phase, and that its loop is alive', async () => {
    const leader = await cluster.serving();
    assert.match(await unit(leader, 'StatusText'), /^leading, epoch \d+$/);
    const fedAt = await unit(leader, 'WatchdogTimestampMonotonic');
    await waitFor('the watchdog to be fed', async () => {
      return Number(await unit(leader, 'WatchdogTimestampMonotonic')) > Number(fedAt);
    });
  });

  it('hands over at `systemctl stop`, with what was uploaded', async () => {
    const leader = await cluster.serving();
    await cluster.inSync(leader);
    await leader.exec('systemctl', ['stop', 'holdfast']);
    assert.equal(await unit(leader, 'Result'), 'success');
    assert.ok(!(await cluster.hasVip(leader)));
    const story = await journalOfThisRun(leader);
    assert.match(story, /"to":"handing-over"/);
    // With its replicator killed before it, the supervisor would give up handing over, and let go.
    assert.doesNotMatch(story, /HAND_OVER_TIMEOUT|REPLICATOR_FAILED|"to":"stepping-down"/);
    const successor = await cluster.serving([cluster.other(leader)]);
    await cluster.client.sftp(cluster.vipV4, 'get id_ed25519.pub back.pub\n');
    assert.equal(
      await readFile(join(cluster.folder, 'back.pub'), 'utf8'),
      await readFile(`${cluster.client.keyFile}.pub`, 'utf8'),
    );
    await leader.exec('systemctl', ['start', 'holdfast']);
    await cluster.inSync(successor);
  });

  for (const whom of ['main', 'all']) {
    it(`is off the address after \`systemctl kill -s KILL --kill-who=${whom}\`, while the other serves`, async () => {
      const leader = await cluster.serving();
      await cluster.inSync(leader);
      const restarts = Number(await unit(leader, 'NRestarts'));
      await leader.exec('systemctl', ['kill', '-s', 'KILL', `--kill-who=${whom}`, 'holdfast']);
      const successor = await cluster.serving([cluster.other(leader)]);
      assert.ok(!(await cluster.hasVip(leader)));
      await waitFor('systemd to start it again', async () => {
        return Number(await unit(leader, 'NRestarts')) > restarts;
      });
      await cluster.inSync(successor);
    });
  }

  it('is ended by the watchdog when it is frozen, with all that it had started, and the other serves', async () => {
    const leader = await cluster.serving();
    await cluster.inSync(leader);
    const restarts = Number(await unit(leader, 'NRestarts'));
    // Stands for a command of the supervisor that hangs.
    const { stdout: hanging } = await leader.exec('sh', [
      '-c',
      `setpriv --reuid holdfast --regid holdfast --clear-groups sleep 3600 >/dev/null 2>&1 &
       echo $! >/sys/fs/cgroup/system.slice/holdfast.service/cgroup.procs
       echo $!`,
    ]);
    await leader.exec('systemctl', ['kill', '-s', 'STOP', '--kill-who=main', 'holdfast']);
    const successor = await cluster.serving([cluster.other(leader)]);
    assert.ok(!(await cluster.hasVip(leader)), 'the kernel took the addresses off');
    await waitFor('the watchdog', async () => Number(await unit(leader, 'NRestarts')) > restarts, {
      limitMs: 40_000,
      everyMs: 500,
    });
    const { stdout } = await leader.exec('journalctl', ['-u', 'holdfast', '-o', 'cat', '--no-pager']);
    assert.match(stdout, new RegExp(`"pids":\\[(\\d+,)*${hanging}[,\\]].*outlived the supervisor`));
    await cluster.inSync(successor);
  });

  it('is not started again and again with a wrong configuration, and says what is wrong', async () => {
    const leader = await cluster.serving();
    const standby = cluster.other(leader);
    await cluster.inSync(leader);
    await standby.exec('systemctl', ['stop', 'holdfast']);
    standby.write('etc/holdfast/holdfast.yaml', `${cluster.holdfastYaml(standby.name)}laese: {}\n`);
    await standby.exec('systemctl', ['start', 'holdfast'], { reject: false });
    await waitFor('the unit to have failed', async () => (await unit(standby, 'ActiveState')) === 'failed');
    assert.equal(await unit(standby, 'NRestarts'), '0');
    assert.match(await journalOfThisRun(standby), /CONFIG_INVALID.*\n.*laese is not a setting/);
    assert.equal(await cluster.serving(), leader);

    standby.write('etc/holdfast/holdfast.yaml', cluster.holdfastYaml(standby.name));
    await standby.exec('systemctl', ['start', 'holdfast']);
    await cluster.inSync(leader);
  });

  it('is taken off by scripts/uninstall, which hands over first and leaves data and configuration', async () => {
    const leader = await cluster.serving();
    await cluster.inSync(leader);
    await leader.exec('/root/uninstall', []);
    await cluster.serving([cluster.other(leader)]);
    for (const gone of [
      '/usr/lib/holdfast',
      '/usr/bin/holdfast',
      '/usr/lib/systemd/system/holdfast.service',
    ]) {
      await assert.rejects(leader.exec('test', ['-e', gone]), `${gone} is still there`);
    }
    await leader.exec('test', ['-e', '/var/lib/holdfast/data/files/alice/id_ed25519.pub']);
    await leader.exec('test', ['-e', '/etc/holdfast/holdfast.yaml']);
  });
});
