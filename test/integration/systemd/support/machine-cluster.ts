import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Status } from '../../../../supervisor/control/status.ts';
import { LabClient } from '../../../lab/client.ts';
import { LabHost } from '../../../lab/host.ts';
import { makeLabFolder, removeLabFolder } from '../../../lab/leftovers.ts';
import { Machine } from '../../../lab/machine.ts';
import { Network, run } from '../../../lab/network.ts';
import { waitFor } from '../../../lab/wait.ts';

const project = join(import.meta.dirname, '../../../..');
const names = ['a', 'b', 'c'];
const addressOf = (name: string) => `10.77.0.${11 + names.indexOf(name)}`;

/** Two booted Debians with etcd and Holdfast as an operator installs them, a third etcd member, and a client. */
export class MachineCluster {
  readonly vipV4 = '10.77.0.100';
  readonly vipV6 = 'fd77::100';
  readonly folder = makeLabFolder();
  readonly machines: Machine[] = [];
  readonly #network = new Network();
  readonly #onExit = () => void this.dispose().finally(() => process.exit(1));
  #client: LabClient | null = null;

  constructor() {
    process.on('SIGINT', this.#onExit);
    process.on('SIGTERM', this.#onExit);
  }

  get client(): LabClient {
    return this.#client ?? assert.fail('not created');
  }

  async create(): Promise<void> {
    await this.#network.create();
    this.#client = new LabClient(
      await this.#network.addHost('client', '10.77.0.200', 'fd77::200'),
      this.folder,
      2222,
    );
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', this.client.keyFile]);
    for (const name of ['a', 'b']) await this.#addMachine(name);
    await this.#startWitness();
    await Promise.all(this.machines.map((machine) => machine.boot()));
    // Alone, the first member waits for a second one: its start fails or takes long, as on any first boot.
    for (const machine of this.machines)
      await machine.exec('systemctl', ['restart', 'etcd'], { reject: false });
  }

  async #addMachine(name: string): Promise<void> {
    const machine = new Machine(
      name,
      await this.#network.addHost(name, addressOf(name), `fd77::${name}`),
      this.folder,
    );
    this.machines.push(machine);
    await machine.create();
    await execa(join(project, 'scripts/install'), ['--root', machine.root]);
    const publicKey = readFileSync(`${this.client.keyFile}.pub`, 'utf8').trim();
    machine.write('etc/default/etcd', etcdSettings(name));
    machine.write('etc/holdfast/holdfast.yaml', this.holdfastYaml(name));
    machine.write('root/users.yaml', `users:\n  - name: alice\n    publicKeys: [${publicKey}]\n`);
    machine.write('root/uninstall', readFileSync(join(project, 'scripts/uninstall'), 'utf8'), 0o755);
  }

  /** The third etcd member holds no data. */
  async #startWitness(): Promise<void> {
    const network = await this.#network.addHost('c', addressOf('c'), 'fd77::c');
    const plan = {
      etcd: names.map((name) => ({ name, ipv4: addressOf(name) })),
      vipV4: this.vipV4,
      vipV6: this.vipV6,
      sftpPort: 2222,
      settings: '',
    };
    new LabHost('c', network, this.folder, plan).startEtcd();
  }

  holdfastYaml(name: string): string {
    return `cluster: lab
node: { id: ${name} }
etcd: { endpoints: [${names.map((member) => `http://${addressOf(member)}:2379`).join(', ')}] }
vips:
  - { address: ${this.vipV4}/24, interface: eth0 }
  - { address: "${this.vipV6}/64", interface: eth0 }
replication: { address: ${addressOf(name)} }
`;
  }

  other(machine: Machine): Machine {
    return this.machines.find((candidate) => candidate !== machine) ?? assert.fail();
  }

  /** The machine that has the virtual IP and serves, once the other one could take over. */
  async serving(among: readonly Machine[] = this.machines): Promise<Machine> {
    return this.#wait('a machine that serves on the virtual IP', async () => {
      for (const machine of among) {
        const addresses = await machine.network.addresses();
        const isOn = addresses.includes(this.vipV4) && addresses.includes(this.vipV6);
        if (isOn && (await this.status(machine))?.phase === 'leading') return machine;
      }
      return null;
    });
  }

  /** Waits until both machines hold everything. */
  async inSync(machine: Machine): Promise<void> {
    await this.#wait('both machines in sync', async () => {
      const status = await this.status(machine);
      return status?.inSync.length === 2 && status.hosts.every((host) => host.role !== 'away');
    });
  }

  /** What `holdfast status` tells on the machine; null when nobody answers. */
  async status(machine: Machine): Promise<Status | null> {
    const { stdout } = await machine.exec('holdfast', ['status', '--json'], { reject: false });
    const told = stdout === '' ? null : JSON.parse(stdout);
    return told === null || 'error' in told ? null : told;
  }

  async hasVip(machine: Machine): Promise<boolean> {
    const addresses = await machine.network.addresses();
    return addresses.includes(this.vipV4) || addresses.includes(this.vipV6);
  }

  /** @throws with the journals of both machines */
  async #wait<Found>(what: string, look: () => Promise<Found | null | undefined | false>): Promise<Found> {
    try {
      return await waitFor(what, look, { limitMs: 60_000 });
    } catch (error) {
      const journals = await Promise.all(
        this.machines.map(async (machine) => `===== ${machine.name}\n${await machine.journal('holdfast')}`),
      );
      throw new Error(`${String(error)}\n${journals.join('\n')}`);
    }
  }

  async dispose(): Promise<void> {
    for (const machine of this.machines) await machine.remove();
    await this.#network.remove();
    removeLabFolder(this.folder);
    // Not earlier: without a listener of ours, execa's would end the process at the signal, and the rest be left.
    process.off('SIGINT', this.#onExit);
    process.off('SIGTERM', this.#onExit);
  }
}

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
