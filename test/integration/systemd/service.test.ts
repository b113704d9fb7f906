import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import { LabClient } from '../../lab/client.ts';
import { LabHost } from '../../lab/host.ts';
import { Machine } from '../../lab/machine.ts';
import { Network, run } from '../../lab/network.ts';
import { waitFor } from '../../lab/wait.ts';

const project = join(import.meta.dirname, '../../..');
const vip = '10.77.0.100';
const names = ['a', 'b', 'c'];
const addressOf = (name: string) => `10.77.0.${11 + names.indexOf(name)}`;

describe('Holdfast as a systemd service on booted Debians', { timeout: 600_000 }, () => {
  const network = new Network();
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-lab-'));
  const machines: Machine[] = [];
  let client: LabClient;
  let witness: LabHost;

  before(async () => {
    await network.create();
    client = new LabClient(await network.addHost('client', '10.77.0.200', 'fd77::200'), folder, 2222);
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', client.keyFile]);
    const publicKey = (await readFile(`${client.keyFile}.pub`, 'utf8')).trim();
    for (const name of ['a', 'b']) {
      const machine = new Machine(
        name,
        await network.addHost(name, addressOf(name), `fd77::${name}`),
        folder,
      );
      machines.push(machine);
      await machine.create();
      await execa(join(project, 'scripts/install'), ['--root', machine.root]);
      machine.write('etc/default/etcd', etcdSettings(name));
      machine.write('etc/holdfast/holdfast.yaml', holdfastYaml(name), 0o644);
      machine.write('root/users.yaml', `users:\n  - name: alice\n    publicKeys: [${publicKey}]\n`);
    }
    // The third etcd member: a witness that holds no data.
    witness = new LabHost('c', await network.addHost('c', addressOf('c'), 'fd77::c'), folder, {
      etcd: names.map((name) => ({ name, ipv4: addressOf(name) })),
      vipV4: vip,
      vipV6: 'fd77::100',
      sftpPort: 2222,
      settings: '',
    });
    witness.startEtcd();
    await Promise.all(machines.map((machine) => machine.boot()));
  });

  after(async () => {
    for (const machine of machines) await machine.remove();
    await network.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  async function evidence(): Promise<string> {
    const journals = await Promise.all(
      machines.map(async (machine) => `===== ${machine.name}\n${await machine.journal('holdfast.service')}`),
    );
    return journals.join('\n');
  }

  /** The machine that has the virtual IP and serves. */
  async function serving(among: readonly Machine[] = machines): Promise<Machine> {
    try {
      return await waitFor(
        'a machine that serves on the virtual IP',
        async () => {
          for (const machine of among) {
            if (!(await machine.network.addresses()).includes(vip)) continue;
            const { stdout } = await machine.exec('holdfast', ['status', '--json'], { reject: false });
            if (stdout !== '' && JSON.parse(stdout).phase === 'leading') return machine;
          }
          return null;
        },
        { limitMs: 30_000 },
      );
    } catch (error) {
      throw new Error(`${String(error)}\n${await evidence()}`);
    }
  }

  async function inSync(machine: Machine): Promise<void> {
    await waitFor(
      'both machines in sync',
      async () => {
        const { stdout } = await machine.exec('holdfast', ['status', '--json']);
        const status = JSON.parse(stdout);
        return (
          status.inSync.length === 2 && status.hosts.every((host: { role: string }) => host.role !== 'away')
        );
      },
      { limitMs: 30_000 },
    );
  }

  const other = (machine: Machine) => machines.find((candidate) => candidate !== machine) ?? assert.fail();

  it('has a unit that systemd-analyze finds nothing wrong with', async () => {
    const [machine] = machines;
    const { stdout, stderr } = await (machine ?? assert.fail()).exec('systemd-analyze', [
      'verify',
      '--man=no',
      '/usr/lib/systemd/system/holdfast.service',
    ]);
    assert.equal(stdout + stderr, '');
  });

  it('starts, puts the virtual IP on, and lets a user of users.yaml in', async () => {
    for (const machine of machines) {
      await machine.exec('systemctl', ['restart', 'etcd']).catch(() => {});
    }
    for (const machine of machines) await machine.exec('systemctl', ['enable', '--now', 'holdfast']);
    const leader = await serving();
    const install = [
      '-o',
      'holdfast',
      '-g',
      'holdfast',
      '-m',
      '0600',
      '/root/users.yaml',
      '/var/lib/holdfast/config/users.yaml',
    ];
    await leader.exec('install', install);
    await waitFor('the login to work', () => client.sftp(vip, 'put id_ed25519.pub\n').then(() => true));
    await inSync(leader);
  });

  it('runs as its own user, with no more capabilities than it needs', async () => {
    const leader = await serving();
    const { stdout } = await leader.exec('holdfast', ['status', '--json']);
    const { processes } = JSON.parse(stdout);
    const capabilities = async (pid: number) => {
      const { stdout: text } = await leader.exec('cat', [`/proc/${pid}/status`]);
      return {
        uid: /^Uid:\s+(\d+)/m.exec(text)?.[1],
        effective: Number.parseInt(/^CapEff:\s+(\w+)/m.exec(text)?.[1] ?? '', 16),
      };
    };
    const bindService = 1 << 10;
    const netAdmin = 1 << 12;
    const netRaw = 1 << 13;
    const supervisor = await capabilities(processes.supervisor);
    assert.notEqual(supervisor.uid, '0');
    assert.equal(supervisor.effective, bindService | netAdmin | netRaw);
    for (const child of [processes.sftpNode, processes.replicator]) {
      assert.equal(
        (await capabilities(child)).effective & (netAdmin | netRaw),
        0,
        'no power over the network',
      );
    }
  });

  it('hands over at `systemctl stop`', async () => {
    const leader = await serving();
    await inSync(leader);
    await leader.exec('systemctl', ['stop', 'holdfast']);
    const { stdout } = await leader.exec('systemctl', ['show', '-p', 'Result', '--value', 'holdfast']);
    assert.equal(stdout, 'success');
    assert.ok(!(await leader.network.addresses()).includes(vip));
    const successor = await serving([other(leader)]);
    await client.sftp(vip, 'get id_ed25519.pub back.pub\n');
    assert.equal(
      await readFile(join(folder, 'back.pub'), 'utf8'),
      await readFile(`${client.keyFile}.pub`, 'utf8'),
    );
    await leader.exec('systemctl', ['start', 'holdfast']);
    await inSync(successor);
  });

  it('is off the address after `systemctl kill -s KILL`, while the other serves', async () => {
    const leader = await serving();
    await inSync(leader);
    await leader.exec('systemctl', ['kill', '-s', 'KILL', '--kill-who=main', 'holdfast']);
    await serving([other(leader)]);
    assert.ok(!(await leader.network.addresses()).includes(vip));
    const { stdout } = await leader.exec('journalctl', [
      '-u',
      'holdfast',
      '-o',
      'cat',
      '--no-pager',
      '-n',
      '200',
    ]);
    assert.match(stdout, /Started|Starting/, 'systemd starts it again');
    await inSync(other(leader));
  });

  it('is ended by the watchdog when it is frozen, and the other serves', async () => {
    const leader = await serving();
    await leader.exec('systemctl', ['kill', '-s', 'STOP', '--kill-who=main', 'holdfast']);
    await serving([other(leader)]);
    assert.ok(!(await leader.network.addresses()).includes(vip), 'the kernel took the address off');
    await waitFor(
      'the watchdog',
      async () => {
        const { stdout } = await leader.exec('systemctl', ['show', '-p', 'NRestarts', '--value', 'holdfast']);
        return Number(stdout) > 0;
      },
      { limitMs: 40_000, everyMs: 500 },
    );
    await inSync(other(leader));
  });

  it('is taken off by scripts/uninstall, and leaves data and configuration', async () => {
    const [machine] = machines;
    const target = machine ?? assert.fail();
    await target.exec('systemctl', ['stop', 'holdfast']);
    await execa(join(project, 'scripts/uninstall'), ['--root', target.root]);
    await assert.rejects(target.exec('test', ['-e', '/usr/lib/holdfast']));
    await target.exec('test', ['-e', '/var/lib/holdfast/data/files/alice/id_ed25519.pub']);
    await target.exec('test', ['-e', '/etc/holdfast/holdfast.yaml']);
  });
});

function etcdSettings(name: string): string {
  const url = (port: number) => `http://${addressOf(name)}:${port}`;
  const cluster = names.map((member) => `${member}=http://${addressOf(member)}:2380`).join(',');
  return `ETCD_NAME=${name}
ETCD_DATA_DIR=/var/lib/etcd/lab
ETCD_LISTEN_CLIENT_URLS=${url(2379)}
ETCD_ADVERTISE_CLIENT_URLS=${url(2379)}
ETCD_LISTEN_PEER_URLS=${url(2380)}
ETCD_INITIAL_ADVERTISE_PEER_URLS=${url(2380)}
ETCD_INITIAL_CLUSTER=${cluster}
ETCD_INITIAL_CLUSTER_TOKEN=lab
`;
}

function holdfastYaml(name: string): string {
  return `cluster: lab
node: { id: ${name} }
etcd: { endpoints: [${names.map((member) => `http://${addressOf(member)}:2379`).join(', ')}] }
vips:
  - { address: ${vip}/24, interface: eth0 }
replication: { address: ${addressOf(name)} }
`;
}
