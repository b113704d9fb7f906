import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { waitFor } from '../../../lab/wait.ts';

/** Which etcd is tried: `scripts/try-etcd` names that of another release of Debian. */
const program = process.env.HOLDFAST_TEST_ETCD ?? 'etcd';

/** A cluster of etcd that is one member, on loopback. */
export class OneEtcd {
  readonly folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  readonly #settings: readonly string[];
  readonly port: number;
  readonly #peerPort: number;
  #process: ReturnType<typeof spawnEtcd> | null = null;
  /** As etcdctl takes it, once etcd asks for one: `root:secret`. */
  user: string | null = null;

  /** @param settings more of etcd's options, as `--quota-backend-bytes` */
  static async start(settings: readonly string[] = []): Promise<OneEtcd> {
    const etcd = new OneEtcd(await freePort(), await freePort(), settings);
    await etcd.start();
    return etcd;
  }

  private constructor(port: number, peerPort: number, settings: readonly string[]) {
    this.port = port;
    this.#peerPort = peerPort;
    this.#settings = settings;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const peer = `http://127.0.0.1:${this.#peerPort}`;
    this.#process = spawnEtcd([
      ...['--data-dir', this.#path('data'), '--name', 'one', '--log-level', 'error', '--logger', 'zap'],
      ...['--listen-client-urls', this.url, '--advertise-client-urls', this.url],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', `one=${peer}`, '--heartbeat-interval', '50', '--election-timeout', '500'],
      ...this.#settings,
    ]);
    await waitFor('etcd to answer', () => this.ctl('endpoint', 'health').catch(() => null));
  }

  async stop(): Promise<void> {
    this.#process?.kill('SIGTERM');
    await this.#process;
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async ctl(...args: string[]): Promise<string> {
    return (await execa('etcdctl', args, { env: this.#env() })).stdout;
  }

  #env(): Record<string, string> {
    const user = this.user === null ? {} : { ETCDCTL_USER: this.user };
    return { ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: this.url, ...user };
  }

  /** Requests in one transaction, in etcdctl's words: `put KEY "VALUE"`. */
  async transact(requests: readonly string[]): Promise<void> {
    const input = `\n${requests.join('\n')}\n\n\n`;
    await execa('etcdctl', ['txn'], { env: this.#env(), input });
  }

  /** Of a member that is stopped. */
  keepData(): void {
    cpSync(this.#path('data'), this.#path('kept'), { recursive: true });
  }

  /** What `keepData` kept, in a member that is stopped. */
  putDataBack(): void {
    rmSync(this.#path('data'), { recursive: true });
    cpSync(this.#path('kept'), this.#path('data'), { recursive: true });
  }

  #path(name: string): string {
    return join(this.folder, name);
  }
}

function spawnEtcd(args: readonly string[]) {
  return execa(program, args, { reject: false, stdio: 'ignore' });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}
