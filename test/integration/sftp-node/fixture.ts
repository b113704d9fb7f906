import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { hash } from '@node-rs/argon2';
import { execa } from 'execa';
import pino from 'pino';
import ssh2 from 'ssh2';
import { bootTimeMs } from '#contracts/boot-time.ts';
import {
  type FromSftpNode,
  fromSftpNodeSchema,
  type SftpNodeSettings,
  type ToSftpNode,
} from '#contracts/ipc/sftp-node.ts';
import { waitFor } from '../../lab/wait.ts';
import { LeadingEngine } from '../../unit/sftp-node/leading-engine.ts';

/** The source, so that what is tested is what was edited. */
const source = join(import.meta.dirname, '../../../sftp-node/main.ts');
export const bundle = join(import.meta.dirname, '../../../dist/sftp-node.js');

/** Node's own fork, since the test wants to close the channel like a supervisor that dies. */
function forkNode(program: string, execArgv: string[]): ChildProcess {
  return fork(program, [], { execArgv, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
}

/** A client of whom the node knows nothing: ssh2's own name would have it take SYMLINK in the draft's order. */
const unknownClient = 'test_1.0';

/** As `holdfast password` does it, with less work for the machine. */
export function passwordHash(password: string): Promise<string> {
  return hash(password, { memoryCost: 8192, timeCost: 1 });
}

function isQuiet(message: FromSftpNode): boolean {
  return message.type === 'activity' && message.sessions + message.transfers === 0;
}

/** A real SFTP node on loopback, with this process as its supervisor, and the storage engine in it. */
export class NodeFixture {
  readonly folder = mkdtempSync(join(tmpdir(), 'holdfast-sftp-'));
  readonly epoch = 7;
  readonly engine = new LeadingEngine(
    this.folder,
    join(this.folder, 'engine.sock'),
    this.epoch,
    pino({ level: 'silent' }),
  );
  readonly messages: FromSftpNode[] = [];
  /** For Node itself. */
  execArgv: string[] = [];
  /** What it logs. */
  readonly lines: Record<string, unknown>[] = [];
  #process: ChildProcess | null = null;
  #exited: Promise<unknown> = Promise.resolve();
  port = 0;

  get configRoot(): string {
    return join(this.folder, 'config');
  }
  get filesRoot(): string {
    return join(this.folder, 'files');
  }
  get keyFile(): string {
    return join(this.folder, 'id');
  }

  async prepare(): Promise<void> {
    mkdirSync(join(this.configRoot, 'host_keys'), { recursive: true });
    mkdirSync(this.filesRoot, { recursive: true });
    await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', this.keyFile]);
    await execa('ssh-keygen', [
      '-q',
      '-t',
      'ed25519',
      '-N',
      '',
      '-f',
      join(this.configRoot, 'host_keys/ssh_host_ed25519_key'),
    ]);
    const { stdout: key } = await execa('cat', [`${this.keyFile}.pub`]);
    this.writeUsers(
      `users:\n  - name: alice\n    publicKeys: [${key}]\n  - name: bob\n    publicKeys: [${key}]\n    passwordHash: ${await passwordHash('secret')}\n`,
    );
    await this.engine.start();
  }

  writeUsers(text: string): void {
    writeFileSync(join(this.configRoot, 'users.yaml'), text);
  }

  /** Starts the node; resolves with what became of it: `listening` or `failed`. */
  async start({
    port = 0,
    program = source,
    settings = {} as Partial<SftpNodeSettings>,
  } = {}): Promise<FromSftpNode> {
    if (this.#process === null) this.#fork(program);
    await this.send({ type: 'start', epoch: this.epoch, settings: { ...this.#settings(port), ...settings } });
    const first = await waitFor('the node to listen or fail', () =>
      this.messages.find(({ type }) => type === 'listening' || type === 'failed'),
    );
    if (first.type === 'listening') this.port = first.port;
    return first;
  }

  /** Starts it as a spare, which `start` makes serve. */
  async rehearse(port: number): Promise<void> {
    this.#fork(source);
    await this.send({ type: 'rehearse', settings: this.#settings(port) });
    await waitFor('the rehearsal', () => this.messages.find(({ type }) => type === 'rehearsed'));
  }

  #fork(program: string): void {
    const node = forkNode(program, this.execArgv);
    this.#process = node;
    this.#exited = new Promise((resolve) => node.once('exit', resolve));
    if (node.stdout !== null)
      createInterface({ input: node.stdout }).on('line', (line) => this.lines.push(JSON.parse(line)));
    node.on('message', (message) => this.messages.push(fromSftpNodeSchema.parse(message)));
  }

  #settings(port: number): SftpNodeSettings {
    return {
      cluster: 'test',
      nodeId: 'a',
      listenAddress: '127.0.0.1',
      port,
      configRoot: this.configRoot,
      filesRoot: this.filesRoot,
      engineSocket: join(this.folder, 'engine.sock'),
      startups: { begin: 100, ratePercent: 30, full: 200, perSource: 10, kept: 20 },
      clientAliveIntervalMs: 0,
      clientAliveCountMax: 3,
      logLevel: 'info',
    };
  }

  async send(message: ToSftpNode): Promise<void> {
    await new Promise<void>((resolve) => this.#process?.send(message, () => resolve()));
  }

  async openGate(forMs: number): Promise<void> {
    await this.send({ type: 'gate', permit: { epoch: this.epoch, validUntilMs: bootTimeMs() + forMs } });
  }

  get hasExited(): Promise<unknown> {
    return this.#exited;
  }

  /** Resolves when nobody is logged in and no file is open. */
  async isQuiet(): Promise<void> {
    const from = this.messages.length;
    await waitFor(
      'the sessions to end',
      () => this.messages.slice(from).filter((message) => isQuiet(message)).length >= 2,
    );
  }

  /** As when the supervisor dies. */
  disconnect(): void {
    this.#process?.disconnect();
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** What the process has open. */
  descriptors(): string[] {
    return readdirSync(`/proc/${this.pid}/fd`);
  }

  /** OpenSSH's sftp in batch mode. */
  sftp(batch: string, { user = 'alice', keyFile = this.keyFile, options = [] as string[] } = {}) {
    return execa(
      'sftp',
      [...this.#options(keyFile), ...options, '-P', String(this.port), '-b', '-', `${user}@127.0.0.1`],
      {
        input: batch,
        cwd: this.folder,
        reject: false,
        all: true,
        timeout: 60_000,
      },
    );
  }

  ssh(args: readonly string[]) {
    return execa('ssh', [...this.#options(), '-p', String(this.port), 'alice@127.0.0.1', ...args], {
      reject: false,
      all: true,
      stdin: 'ignore',
      timeout: 20_000,
    });
  }

  #options(keyFile = this.keyFile): string[] {
    return [
      ...['-F', '/dev/null', '-i', keyFile, '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes'],
      ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR'],
    ];
  }

  /** The raw channel of the sftp subsystem, for what no client would send. */
  async rawChannel(
    username = 'alice',
    ident = unknownClient,
  ): Promise<{ client: ssh2.Client; channel: ssh2.ClientChannel }> {
    const client = await this.connected('ready', username, ident);
    const channel = await new Promise<ssh2.ClientChannel>((resolve, reject) =>
      client.subsys('sftp', (error, opened) => (error ? reject(error) : resolve(opened))),
    );
    return { client, channel };
  }

  /** A client that got as far as this: keys exchanged, or logged in. */
  async connected(
    stage: 'handshake' | 'ready',
    username = 'alice',
    ident = unknownClient,
  ): Promise<ssh2.Client> {
    const client = new ssh2.Client();
    await new Promise<void>((resolve, reject) => {
      client.once(stage as 'ready', resolve).once('error', reject);
      client.connect({
        host: '127.0.0.1',
        port: this.port,
        ident,
        username,
        privateKey: readFileSync(this.keyFile),
      });
    });
    client.on('error', () => {});
    return client;
  }

  /** Ends the process, so that another may be started. */
  async halt(): Promise<void> {
    this.#process?.kill('SIGKILL');
    await this.#exited;
    this.#process = null;
    this.messages.length = 0;
  }

  async dispose(): Promise<void> {
    await this.halt();
    await this.engine.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
