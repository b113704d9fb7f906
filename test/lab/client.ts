import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import type { NetworkHost } from './network.ts';
import { type Outage, outageAround } from './outage.ts';
import type { LabProcess } from './spawn.ts';

const uploadLimitSeconds = 20;

/** A partner's machine: OpenSSH's client with a key and a known_hosts file of its own, and a prober. */
export class LabClient {
  readonly network: NetworkHost;
  readonly folder: string;
  readonly #port: number;

  constructor(network: NetworkHost, folder: string, port: number) {
    this.network = network;
    this.folder = folder;
    this.#port = port;
  }

  get keyFile(): string {
    return join(this.folder, 'id_ed25519');
  }

  /** The first connection to an address pins its host key; from then on another key is an error. */
  get sshOptions(): string[] {
    return [
      ...['-F', '/dev/null', '-i', this.keyFile, '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes'],
      ...[
        '-o',
        `UserKnownHostsFile=${join(this.folder, 'known_hosts')}`,
        '-o',
        'StrictHostKeyChecking=accept-new',
      ],
      ...['-o', 'GlobalKnownHostsFile=/dev/null', '-o', 'ConnectTimeout=5', '-o', 'LogLevel=ERROR'],
    ];
  }

  /** Runs an OpenSSH sftp batch. Rejects with what sftp said when it fails. */
  async sftp(address: string, batch: string, user = 'alice'): Promise<string> {
    const target = address.includes(':') ? `${user}@[${address}]` : `${user}@${address}`;
    const args = [...this.sshOptions, '-P', String(this.#port), '-b', '-', target];
    const { stdout } = await this.exec('sftp', args, batch);
    return stdout;
  }

  /** An OpenSSH sftp batch that goes on by itself. */
  spawnSftp(address: string, batch: string, options: readonly string[] = [], user = 'alice') {
    const args = [...this.sshOptions, ...options, '-P', String(this.#port), '-b', '-', `${user}@${address}`];
    return execa('ip', ['netns', 'exec', this.network.namespace, 'sftp', ...args], {
      input: batch,
      cwd: this.folder,
      reject: false,
      all: true,
    });
  }

  /** Uploads a file of the client's folder. A client whose server is gone, or never answers, is ended. */
  upload(address: string, name: string) {
    const limited = ['timeout', '--signal=KILL', String(uploadLimitSeconds), 'sftp'];
    const patience = ['-o', 'ServerAliveInterval=1', '-o', 'ServerAliveCountMax=3'];
    const args = [...this.sshOptions, ...patience, '-P', String(this.#port), '-b', '-', `alice@${address}`];
    return execa('ip', ['netns', 'exec', this.network.namespace, ...limited, ...args], {
      input: `put ${name}\n`,
      cwd: this.folder,
      reject: false,
      all: true,
    });
  }

  /**
   * A session that has begun, and waits without a word and without keepalive.
   * @returns resolves when the server ends it
   */
  async wait(address: string): Promise<{ readonly ended: Promise<void> }> {
    const patience = ['-o', 'ServerAliveInterval=0', '-o', 'TCPKeepAlive=no'];
    const args = [
      ...this.sshOptions,
      ...patience,
      '-p',
      String(this.#port),
      '-s',
      `alice@${address}`,
      'sftp',
    ];
    const session = spawn('ip', ['netns', 'exec', this.network.namespace, 'ssh', ...args], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    // SSH_FXP_INIT, version 3; the answer is the server's version.
    session.stdin.write(Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 3]));
    await once(session.stdout, 'data');
    return { ended: once(session, 'exit').then(() => {}) };
  }

  exec(file: string, args: readonly string[], input = '') {
    return execa('ip', ['netns', 'exec', this.network.namespace, file, ...args], {
      input,
      cwd: this.folder,
      timeout: 60_000,
      all: true,
    });
  }

  /** Starts to try a login every 20 ms. */
  async probe(address: string, user = 'alice'): Promise<Prober> {
    const prober = new Prober(this.network, {
      address,
      port: this.#port,
      keyFile: this.keyFile,
      user,
      output: join(this.folder, `probe-${process.hrtime.bigint()}.log`),
    });
    await prober.start();
    return prober;
  }
}

interface ProbeTarget {
  readonly address: string;
  readonly port: number;
  readonly keyFile: string;
  readonly user: string;
  readonly output: string;
}

/** A process in the client's network that logs in again and again, and writes down when it succeeded. */
export class Prober {
  readonly #network: NetworkHost;
  readonly #target: ProbeTarget;
  #process: LabProcess | null = null;

  constructor(network: NetworkHost, target: ProbeTarget) {
    this.#network = network;
    this.#target = target;
  }

  async start(): Promise<void> {
    const { address, port, keyFile, user, output } = this.#target;
    const program = join(import.meta.dirname, 'prober-main.ts');
    writeFileSync(output, '');
    const command = [process.execPath, program, address, String(port), keyFile, user];
    this.#process = this.#network.spawn(output, command, { stderr: 'inherit' });
    await this.#settled();
  }

  /** When logins succeeded, in milliseconds of the machine's monotonic clock. */
  get successes(): number[] {
    return readFileSync(this.#target.output, 'utf8').split('\n').filter(Boolean).map(Number);
  }

  /** The outage that an event at `atMs` caused: waits until logins succeed again and go on succeeding. */
  async outage(atMs: number, limitMs = 30_000): Promise<Outage> {
    const startedMs = monotonicMs();
    while (monotonicMs() - startedMs < limitMs) {
      const outage = outageAround(this.successes, atMs, monotonicMs());
      if (outage !== null) return outage;
      await delay(50);
    }
    throw new Error(`no login succeeded within ${limitMs} ms`);
  }

  async stop(): Promise<void> {
    this.#process?.kill('SIGKILL');
    await this.#process;
  }

  async #settled(): Promise<void> {
    for (let waited = 0; this.successes.length < 10; waited += 50) {
      if (waited > 15_000) throw new Error(`the prober cannot log in to ${this.#target.address}`);
      await delay(50);
    }
  }
}

/** CLOCK_MONOTONIC: the same in all processes of the machine. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
