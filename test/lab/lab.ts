import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AddressWatch } from './address-watch.ts';
import { CertificateAuthority } from './certificates.ts';
import { LabClient } from './client.ts';
import { CuttableDisk, ReflinkStore } from './cuttable-disk.ts';
import { LabDisk } from './disk.ts';
import { type ClusterPlan, LabHost } from './host.ts';
import { makeLabFolder, removeLabFolder } from './leftovers.ts';
import { Network, type NetworkHost, run } from './network.ts';
import { ServiceWatch } from './service-watch.ts';
import { waitFor } from './wait.ts';

export interface LabOptions {
  /** Default: a, b and c, each with an etcd member. */
  readonly hosts?: readonly string[];
  /** Further top-level settings of holdfast.yaml. */
  readonly settings?: string;
  /** The entries of `vips` in holdfast.yaml. Default: an IPv4 and an IPv6 address of the kernel. */
  readonly vips?: string;
  /** See `LabHost.slowEtcd`. Default: false. */
  readonly etcdBySlowWay?: boolean;
  /** The etcd members, and who asks them, must show certificates. Default: false. */
  readonly etcdByTls?: boolean;
  /** What an etcd member may hold. Default: 2 GiB, as etcd's. */
  readonly etcdQuotaBytes?: number;
  /** The etcd members ask for this user and its password, once the test has told them. Default: for none. */
  readonly etcdUser?: string;
}

/**
 * A cluster on this machine, of real parts: hosts as network namespaces on one wire, an etcd member and a Holdfast on
 * each, and a client. Needs root and a build. Whatever happens, `dispose` leaves nothing behind.
 *
 *     await using lab = await Lab.create();
 *     await lab.start();
 */
export class Lab implements AsyncDisposable {
  readonly vipV4 = '10.77.0.100';
  readonly vipV6 = 'fd77::100';
  readonly sftpPort = 2222;
  readonly folder = makeLabFolder();
  readonly #network = new Network();
  readonly #hosts: LabHost[] = [];
  readonly #disks: LabDisk[] = [];
  readonly #cuttableDisks: CuttableDisk[] = [];
  #store: ReflinkStore | null = null;
  #client: LabClient | null = null;
  #watcher: NetworkHost | null = null;
  #partner: NetworkHost | null = null;
  readonly #onExit = () => void this.dispose().finally(() => process.exit(1));

  private constructor() {
    process.on('SIGINT', this.#onExit);
    process.on('SIGTERM', this.#onExit);
  }

  static async create(options: LabOptions = {}): Promise<Lab> {
    const lab = new Lab();
    try {
      await lab.#build(options);
      return lab;
    } catch (error) {
      await lab.dispose();
      throw error;
    }
  }

  async #build({
    hosts: names = ['a', 'b', 'c'],
    settings = '',
    vips,
    etcdBySlowWay = false,
    etcdByTls = false,
    etcdUser,
    etcdQuotaBytes,
  }: LabOptions): Promise<void> {
    await this.#network.create();
    const addressOf = (index: number) => [`10.77.0.${11 + index}`, `fd77::${11 + index}`] as const;
    const plan: ClusterPlan = {
      etcd: names.map((name, index) => ({ name, ipv4: addressOf(index)[0] })),
      vipV4: this.vipV4,
      vipV6: this.vipV6,
      vips,
      sftpPort: this.sftpPort,
      etcdBySlowWay,
      etcdUser: etcdUser ?? null,
      etcdQuotaBytes,
      authority: etcdByTls ? await CertificateAuthority.create(this.folder) : null,
      settings,
    };
    for (const [index, name] of names.entries()) {
      const network = await this.#network.addHost(name, ...addressOf(index));
      const host = new LabHost(name, network, this.folder, plan);
      this.#hosts.push(host);
      if (etcdByTls) await host.renewCertificates();
    }
    const network = await this.#network.addHost('client', '10.77.0.200', 'fd77::200');
    this.#client = new LabClient(network, this.folder, this.sftpPort);
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'alice@lab', '-f', this.client.keyFile]);
    const publicKey = (await readFile(`${this.client.keyFile}.pub`, 'utf8')).trim();
    this.writeUsers(`users:\n  - name: alice\n    publicKeys: [${publicKey}]\n`);
  }

  /** users.yaml on every host, as an operator would leave it before the first start. */
  writeUsers(text: string): void {
    for (const host of this.#hosts) writeFileSync(join(host.configRoot, 'users.yaml'), text, { mode: 0o600 });
  }

  get hosts(): readonly LabHost[] {
    return this.#hosts;
  }

  get client(): LabClient {
    if (this.#client === null) throw new Error('the lab is not built');
    return this.#client;
  }

  host(name: string): LabHost {
    const host = this.#hosts.find((candidate) => candidate.name === name);
    if (host === undefined) throw new Error(`no host ${name}`);
    return host;
  }

  others(host: LabHost): LabHost[] {
    return this.#hosts.filter((candidate) => candidate !== host);
  }

  /** etcd, Holdfast on every host, and waits until one serves and all are in sync. Returns the leader. */
  async start(): Promise<LabHost> {
    for (const host of this.#hosts) host.startEtcd();
    for (const host of this.#hosts) host.startSupervisor();
    return this.waitForService(this.#hosts);
  }

  /** Waits until one of the hosts leads and all of them are in sync. */
  async waitForService(among: readonly LabHost[] = this.#hosts, limitMs = 30_000): Promise<LabHost> {
    return this.wait(
      `one of ${among.map((host) => host.name).join(', ')} leading with all in sync`,
      async () => {
        for (const host of among) {
          const status = await host.status().catch(() => null);
          if (status?.phase !== 'leading') continue;
          const ready = status.hosts.filter(
            (member) =>
              member.inSync && (member.role === 'leader' || member.replication?.state === 'streaming'),
          );
          if (among.every(({ name }) => ready.some((member) => member.node === name))) return host;
        }
        return null;
      },
      limitMs,
    );
  }

  /** Waits until one of the hosts leads. */
  async waitForLeader(among: readonly LabHost[] = this.#hosts, limitMs = 30_000): Promise<LabHost> {
    return this.wait(
      `one of ${among.map((host) => host.name).join(', ')} leading`,
      async () => {
        for (const host of among)
          if ((await host.status().catch(() => null))?.phase === 'leading') return host;
        return null;
      },
      limitMs,
    );
  }

  wait<Found>(
    what: string,
    look: () => Promise<Found | null | undefined | false>,
    limitMs = 20_000,
  ): Promise<Found> {
    return waitFor(what, look, { limitMs, evidence: () => this.evidence() });
  }

  /** A machine of its own on the wire, so that what it learns does not help the client. */
  async watchAddress(address = this.vipV4): Promise<AddressWatch> {
    this.#watcher ??= await this.#network.addHost('watcher', '10.77.0.220', 'fd77::220');
    const watch = new AddressWatch(this.#watcher, address, this.folder);
    await watch.start();
    return watch;
  }

  /** From a machine of its own, too. @param everyMs how often it asks */
  async watchService(address = this.vipV4, everyMs = 1): Promise<ServiceWatch> {
    this.#partner ??= await this.#network.addHost('partner', '10.77.0.210', 'fd77::210');
    const watch = new ServiceWatch(this.client, this.#partner);
    await watch.start(address, this.sftpPort, everyMs);
    return watch;
  }

  /** The ends of all logs, for a failure's report. */
  evidence(): string {
    const tail = (host: LabHost) => host.log().trimEnd().split('\n').slice(-25).join('\n');
    return this.#hosts.map((host) => `===== log of ${host.name}\n${tail(host)}`).join('\n');
  }

  /** A disk of its own for what a host replicates. Before the host is started for the first time. */
  async giveDisk(host: LabHost, mib: number): Promise<LabDisk> {
    const disk = await LabDisk.mount(join(host.folder, 'data'), mib);
    this.#disks.push(disk);
    return disk;
  }

  /** A disk for everything that a host keeps, whose power can be cut. Before the host is started for the first time. */
  async giveCuttableDisk(host: LabHost, mib?: number): Promise<CuttableDisk> {
    this.#store ??= await ReflinkStore.mount(join(this.folder, 'store'));
    const disk = await CuttableDisk.mount(host, this.#store, mib);
    this.#cuttableDisks.push(disk);
    return disk;
  }

  async dispose(): Promise<void> {
    for (const disk of this.#disks) await disk.thaw();
    await this.#network.remove();
    for (const disk of this.#disks.splice(0)) await disk.unmount();
    for (const disk of this.#cuttableDisks.splice(0)) await disk.unmount();
    await this.#store?.unmount();
    removeLabFolder(this.folder);
    // Not earlier: without a listener of ours, execa's would end the process at the signal, and the rest be left.
    process.off('SIGINT', this.#onExit);
    process.off('SIGTERM', this.#onExit);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
