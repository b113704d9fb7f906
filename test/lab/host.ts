import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { fetchStatus } from '../../supervisor/control/client.ts';
import type { Status } from '../../supervisor/control/status.ts';
import type { CertificateAuthority } from './certificates.ts';
import type { NetworkHost } from './network.ts';
import type { LabProcess } from './spawn.ts';
import { WallClock } from './wall-clock.ts';

const bundle = join(import.meta.dirname, '../../dist/holdfast.js');
const releaseBundle = join(import.meta.dirname, '../../dist/release.js');

const slowWayPort = 12_379;

/** What all hosts of a lab have in common. */
export interface ClusterPlan {
  readonly etcd: readonly { readonly name: string; readonly ipv4: string }[];
  readonly vipV4: string;
  readonly vipV6: string;
  /** The entries of `vips` in holdfast.yaml, one a line; else these two, of the kernel. */
  readonly vips?: string | undefined;
  readonly sftpPort: number;
  /** Holdfast reaches the etcd members by ways that `slowEtcd` makes slow. */
  readonly etcdBySlowWay?: boolean;
  /** The etcd members ask for this user; null: for none. Its password is in the folder of each host. */
  readonly etcdUser?: string | null;
  /** What a member may hold; default: 2 GiB. */
  readonly etcdQuotaBytes?: number | undefined;
  /** Who issues the certificates of the etcd members and their clients; null: everything goes in the clear. */
  readonly authority?: CertificateAuthority | null;
  /** More for holdfast.yaml: the text of further top-level settings. */
  readonly settings: string;
}

/** One machine of the lab: an etcd member and a Holdfast, with folders of their own. */
export class LabHost {
  readonly name: string;
  readonly network: NetworkHost;
  readonly folder: string;
  readonly #plan: ClusterPlan;
  #etcd: LabProcess | null = null;
  #supervisor: LabProcess | null = null;
  #supervisorEnded = true;
  #wallClock: WallClock | null = null;
  #hasSlowWays = false;
  /** For Holdfast, from its next start on. */
  environment: Readonly<Record<string, string>> = {};
  #logTo: string;

  constructor(name: string, network: NetworkHost, folder: string, plan: ClusterPlan) {
    this.name = name;
    this.network = network;
    this.folder = join(folder, name);
    this.#plan = plan;
    this.#logTo = this.logFile('holdfast.log');
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
  get passwordFile(): string {
    return join(this.folder, 'etcd-password');
  }
  get runFolder(): string {
    return join(this.folder, 'run');
  }

  /** Debian's etcd with the timing that Holdfast's etcd drop-in sets. */
  startEtcd(): void {
    const { name } = this;
    const url = (port: number) => `${this.#scheme}://${this.network.ipv4}:${port}`;
    this.#etcd = this.spawn('etcd.log', 'etcd', [
      ...['--name', name, '--data-dir', join(this.folder, 'etcd')],
      ...['--listen-client-urls', url(2379), '--advertise-client-urls', url(2379)],
      ...['--listen-peer-urls', url(2380), '--initial-advertise-peer-urls', url(2380)],
      ...['--initial-cluster', this.#initialCluster, '--initial-cluster-token', 'lab'],
      ...['--heartbeat-interval', '50', '--election-timeout', '500', '--pre-vote'],
      ...['--auto-compaction-mode', 'periodic', '--auto-compaction-retention', '1h'],
      ...(this.#plan.etcdQuotaBytes ? ['--quota-backend-bytes', `${this.#plan.etcdQuotaBytes}`] : []),
      ...['--logger', 'zap', '--log-level', 'warn'],
      ...this.#etcdTls,
      // Tokens that are forgotten within seconds, as they are in minutes by default.
      ...(this.#plan.etcdUser ? ['--auth-token-ttl', '2'] : []),
    ]);
  }

  /** One certificate for the member and for Holdfast on this host. The files are replaced as a renewal would. */
  async renewCertificates(endsInSeconds?: number): Promise<void> {
    await this.#plan.authority?.issue(`etcd-${this.name}`, this.network.ipv4, endsInSeconds);
  }

  get certificate(): { readonly ca: string; readonly cert: string; readonly key: string } {
    const file = (kind: string) => join(this.folder, `../etcd-${this.name}.${kind}`);
    return { ca: this.#plan.authority?.file ?? '', cert: file('crt'), key: file('key') };
  }

  get #scheme(): string {
    return this.#plan.authority ? 'https' : 'http';
  }

  get #etcdTls(): string[] {
    if (!this.#plan.authority) return [];
    const { ca, cert, key } = this.certificate;
    return ['', 'peer-'].flatMap((kind) => [
      ...[`--${kind}cert-file`, cert, `--${kind}key-file`, key],
      ...[`--${kind}trusted-ca-file`, ca, `--${kind}client-cert-auth`],
    ]);
  }

  /** Asks the member of this host with Debian's etcdctl. */
  async etcdctl(...args: readonly string[]): Promise<string> {
    const { namespace, ipv4 } = this.network;
    const { ca, cert, key } = this.certificate;
    const tls = { ETCDCTL_CACERT: ca, ETCDCTL_CERT: cert, ETCDCTL_KEY: key };
    const env = {
      ETCDCTL_API: '3',
      ETCDCTL_ENDPOINTS: `${this.#scheme}://${ipv4}:2379`,
      ...(this.#plan.authority ? tls : {}),
    };
    const command = ['netns', 'exec', namespace, 'etcdctl', ...args];
    return (await execa('ip', command, { env, timeout: 20_000 })).stdout;
  }

  /** Puts a snapshot in place of what the member has, which must be stopped. */
  async restoreEtcd(snapshot: string): Promise<void> {
    const { name } = this;
    rmSync(join(this.folder, 'etcd'), { recursive: true });
    await this.etcdctl(
      ...['snapshot', 'restore', snapshot, '--name', name, '--data-dir', join(this.folder, 'etcd')],
      ...['--initial-cluster', this.#initialCluster, '--initial-cluster-token', 'lab'],
      ...['--initial-advertise-peer-urls', `http://${this.network.ipv4}:2380`],
    );
  }

  get #initialCluster(): string {
    return this.#plan.etcd.map(({ name, ipv4 }) => `${name}=${this.#scheme}://${ipv4}:2380`).join(',');
  }

  /** SIGSTOP, SIGCONT. */
  signalEtcd(signal: NodeJS.Signals): void {
    this.#etcd?.kill(signal);
  }

  async stopEtcd(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#etcd?.kill(signal);
    await this.#etcd;
    this.#etcd = null;
  }

  /** Gives Holdfast on this host a wall clock of its own, from its next start on, that `step` sets. */
  useOwnWallClock(): WallClock {
    this.#wallClock ??= new WallClock(this.logFile('wall-clock'));
    return this.#wallClock;
  }

  /** From now on each request to etcd takes so long, whichever member is asked. */
  slowEtcd(roundTripMs: number): void {
    writeFileSync(this.logFile('etcd-delay'), `${roundTripMs / 2}\n`);
  }

  /** As many as there are members, on ports of loopback. */
  #startSlowWays(): void {
    if (!this.#plan.etcdBySlowWay || this.#hasSlowWays) return;
    this.#hasSlowWays = true;
    this.slowEtcd(0);
    const program = join(import.meta.dirname, 'slow-way-main.ts');
    for (const [index, { ipv4 }] of this.#plan.etcd.entries()) {
      const way = [this.logFile('etcd-delay'), String(slowWayPort + index), `${ipv4}:2379`];
      this.spawn('slow-way.log', process.execPath, [program, ...way]);
    }
  }

  /** From its next start on somebody else takes down what Holdfast says. Returns a way to signal who does. */
  async readLogByCat(): Promise<(signal: NodeJS.Signals) => void> {
    this.#logTo = this.logFile('holdfast.fifo');
    await execa('mkfifo', [this.#logTo]);
    const cat = this.spawn('holdfast.log', 'cat', [this.#logTo]);
    return (signal) => cat.kill(signal);
  }

  startSupervisor(): void {
    this.#startSlowWays();
    const supervisor = this.network.spawn(
      this.#logTo,
      [process.execPath, bundle, 'supervisor', '--config', this.configFile],
      { env: { ...this.environment, ...this.#wallClock?.env } },
    );
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
    const { stdout } = await this.exec(process.execPath, [releaseBundle, this.runFolder, this.configFile]);
    if (stdout.includes('by holdfast.yaml instead'))
      throw new Error(`the release took the slow way: ${stdout}`);
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

  /** The command line of Holdfast on this host: its exit code and all that it printed. */
  async holdfast(...args: readonly string[]): Promise<{ exitCode: number | undefined; text: string }> {
    const command = [bundle, ...args, '--config', this.configFile];
    const { exitCode, all } = await this.run(process.execPath, command);
    return { exitCode, text: String(all) };
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

  /** Runs to its end in the host's network. Rejects when it fails. */
  exec(file: string, args: readonly string[], input = '') {
    return execa('ip', ['netns', 'exec', this.network.namespace, file, ...args], { input });
  }

  spawn(logName: string, file: string, args: readonly string[]): LabProcess {
    return this.network.spawn(this.logFile(logName), [file, ...args]);
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
    const { etcd, etcdBySlowWay, vipV4, vipV6, sftpPort, settings } = this.#plan;
    const kernelVips = `  - { address: ${vipV4}/24, interface: eth0 }
  - { address: "${vipV6}/64", interface: eth0 }`;
    const endpoints = etcd
      .map(({ ipv4 }, index) => (etcdBySlowWay ? `127.0.0.1:${slowWayPort + index}` : `${ipv4}:2379`))
      .map((where) => `${this.#scheme}://${where}`)
      .join(', ');
    const { ca, cert, key } = this.certificate;
    const user = this.#plan.etcdUser
      ? `, username: ${this.#plan.etcdUser}, passwordFile: ${this.passwordFile}`
      : '';
    const tls = this.#plan.authority ? `, tls: { ca: ${ca}, cert: ${cert}, key: ${key} }` : '';
    const path = (name: string) => join(this.folder, name);
    return `cluster: lab
node: { id: ${this.name} }
etcd: { endpoints: [${endpoints}], moveLeader: true${tls}${user} }
vips:
${this.#plan.vips ?? kernelVips}
sftp: { port: ${sftpPort} }
replication: { address: ${this.network.ipv4} }
paths: { config: ${path('config')}, data: ${path('data')}, state: ${path('state')}, run: ${path('run')} }
${settings}
`;
  }
}
