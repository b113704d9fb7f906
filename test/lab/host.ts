import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { fetchStatus } from '../../supervisor/control/client.ts';
import type { Status } from '../../supervisor/control/status.ts';
import type { NetworkHost } from './network.ts';

const bundle = join(import.meta.dirname, '../../dist/holdfast.js');
const releaseBundle = join(import.meta.dirname, '../../dist/release.js');

/** What all hosts of a lab have in common. */
export interface ClusterPlan {
  readonly etcd: readonly { readonly name: string; readonly ipv4: string }[];
  readonly vipV4: string;
  readonly vipV6: string;
  /** The entries of `vips` in holdfast.yaml, one a line; else these two, of the kernel. */
  readonly vips?: string | undefined;
  readonly sftpPort: number;
  /** More for holdfast.yaml: the text of further top-level settings. */
  readonly settings: string;
}

function spawnIn(namespace: string, logFile: string, file: string, args: readonly string[]) {
  return execa('ip', ['netns', 'exec', namespace, file, ...args], {
    reject: false,
    stdin: 'ignore',
    stdout: { file: logFile, append: true },
    stderr: { file: logFile, append: true },
    buffer: false,
    cleanup: true,
    forceKillAfterDelay: false,
  });
}

type LabProcess = ReturnType<typeof spawnIn>;

/** One machine of the lab: an etcd member and a Holdfast, with folders of their own. */
export class LabHost {
  readonly name: string;
  readonly network: NetworkHost;
  readonly folder: string;
  readonly #plan: ClusterPlan;
  #etcd: LabProcess | null = null;
  #supervisor: LabProcess | null = null;
  #supervisorEnded = true;

  constructor(name: string, network: NetworkHost, folder: string, plan: ClusterPlan) {
    this.name = name;
    this.network = network;
    this.folder = join(folder, name);
    this.#plan = plan;
    mkdirSync(this.configRoot, { recursive: true, mode: 0o700 });
    writeFileSync(this.configFile, this.#config());
  }

  get configFile(): string {
    return join(this.folder, 'holdfast.yaml');
  }
  /** The replicated configuration: users.yaml, host_keys/. */
  get configRoot(): string {
    return join(this.folder, 'config');
  }
  get filesRoot(): string {
    return join(this.folder, 'data/files');
  }
  get runFolder(): string {
    return join(this.folder, 'run');
  }

  /** Debian's etcd with the timing that Holdfast's etcd drop-in sets. */
  startEtcd(): void {
    const { name } = this;
    const url = (port: number) => `http://${this.network.ipv4}:${port}`;
    const cluster = this.#plan.etcd.map((member) => `${member.name}=http://${member.ipv4}:2380`).join(',');
    this.#etcd = this.spawn('etcd.log', 'etcd', [
      ...['--name', name, '--data-dir', join(this.folder, 'etcd')],
      ...['--listen-client-urls', url(2379), '--advertise-client-urls', url(2379)],
      ...['--listen-peer-urls', url(2380), '--initial-advertise-peer-urls', url(2380)],
      ...['--initial-cluster', cluster, '--initial-cluster-token', 'lab'],
      ...['--heartbeat-interval', '50', '--election-timeout', '500', '--pre-vote'],
      ...['--logger', 'zap', '--log-level', 'warn'],
    ]);
  }

  async stopEtcd(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#etcd?.kill(signal);
    await this.#etcd;
    this.#etcd = null;
  }

  startSupervisor(): void {
    const supervisor = this.spawn('holdfast.log', process.execPath, [
      bundle,
      'supervisor',
      '--config',
      this.configFile,
    ]);
    this.#supervisor = supervisor;
    this.#supervisorEnded = false;
    void supervisor.then(() => {
      if (this.#supervisor === supervisor) this.#supervisorEnded = true;
    });
  }

  /** Resolves when it has ended. */
  async signalSupervisor(signal: NodeJS.Signals): Promise<void> {
    this.#supervisor?.kill(signal);
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await this.#supervisor;
  }

  /** Whether the supervisor that was started last has not ended. */
  get supervisorIsRunning(): boolean {
    return this.#supervisorEnded === false;
  }

  /** What systemd does after a supervisor that died. */
  async release(): Promise<void> {
    await this.exec(process.execPath, [releaseBundle, this.runFolder, this.configFile]);
  }

  /** The host is gone: the link first, so that nothing can say good-bye, then every process. */
  async die(): Promise<void> {
    await this.network.linkDown();
    await this.network.signalAll('SIGKILL');
    await Promise.all([this.#etcd, this.#supervisor]);
  }

  /** After `die`: as after a reboot, with what was on disk. */
  async comeBack(): Promise<void> {
    await this.network.linkUp();
    this.startEtcd();
    this.startSupervisor();
  }

  status(): Promise<Status> {
    return fetchStatus(this.runFolder);
  }

  /** Runs to its end in the host's network, whatever its exit code; `all` is what it printed. */
  run(file: string, args: readonly string[]) {
    return execa('ip', ['netns', 'exec', this.network.namespace, file, ...args], {
      reject: false,
      all: true,
      input: '',
      timeout: 120_000,
    });
  }

  /** The command line of this host: its exit code and all that it printed. */
  async holdfast(...args: string[]): Promise<{ exitCode: number | undefined; text: string }> {
    const { exitCode, all } = await this.run(process.execPath, [
      bundle,
      ...args,
      '--config',
      this.configFile,
    ]);
    return { exitCode, text: String(all) };
  }

  /** Asks the etcd member of this host. */
  async etcdctl(...args: string[]): Promise<string> {
    const endpoint = `--endpoints=http://${this.network.ipv4}:2379`;
    return (await this.exec('env', ['ETCDCTL_API=3', 'etcdctl', endpoint, ...args])).stdout;
  }

  /** Runs to its end in the host's network. Rejects when it fails. */
  exec(file: string, args: readonly string[], input = '') {
    return execa('ip', ['netns', 'exec', this.network.namespace, file, ...args], { input });
  }

  spawn(logName: string, file: string, args: readonly string[]): LabProcess {
    return spawnIn(this.network.namespace, this.logFile(logName), file, args);
  }

  logFile(name: string): string {
    return join(this.folder, name);
  }

  /** Marks a moment in the log, for whoever reads a failure. */
  note(text: string): void {
    appendFileSync(this.logFile('holdfast.log'), `--- ${text}\n`);
  }

  log(name = 'holdfast.log'): string {
    return existsSync(this.logFile(name)) ? readFileSync(this.logFile(name), 'utf8') : '';
  }

  /** The JSON lines of the log. */
  logLines(): Record<string, unknown>[] {
    return this.log()
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line));
  }

  #config(): string {
    const { etcd, vipV4, vipV6, sftpPort, settings } = this.#plan;
    const kernelVips = `  - { address: ${vipV4}/24, interface: eth0 }
  - { address: "${vipV6}/64", interface: eth0 }`;
    const endpoints = etcd.map((member) => `http://${member.ipv4}:2379`).join(', ');
    const path = (name: string) => join(this.folder, name);
    return `cluster: lab
node: { id: ${this.name} }
etcd: { endpoints: [${endpoints}] }
vips:
${this.#plan.vips ?? kernelVips}
sftp: { port: ${sftpPort} }
replication: { address: ${this.network.ipv4} }
paths: { config: ${path('config')}, data: ${path('data')}, state: ${path('state')}, run: ${path('run')} }
${settings}
`;
  }
}
