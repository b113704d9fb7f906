import { readFileSync } from 'node:fs';
import { execa } from 'execa';
import { type LabProcess, spawnTo } from './spawn.ts';
import { waitFor } from './wait.ts';

/** Namespaces of labs carry the pid of the process that made them, so that what a killed run left can be told. */
const prefix = 'hf';
let labsMade = 0;

/** Runs a command of iproute2 or nftables, and says what it was when it fails. */
export async function run(file: string, args: readonly string[], input = ''): Promise<string> {
  const { stdout } = await execa(file, [...args], { input });
  return stdout;
}

/** One wire with hosts on it: network namespaces joined by a bridge that has a namespace of its own. */
export class Network {
  readonly id: string;
  readonly #switch: string;
  readonly #made: string[] = [];
  #ports = 0;

  constructor() {
    labsMade += 1;
    this.id = `${prefix}-${process.pid}-${labsMade}`;
    this.#switch = `${this.id}-switch`;
  }

  async create(): Promise<void> {
    await this.#addNamespace(this.#switch);
    await run('ip', ['-n', this.#switch, 'link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0']);
    await run('ip', ['-n', this.#switch, 'link', 'set', 'br0', 'up']);
  }

  /** A host with `eth0` on the wire. */
  async addHost(name: string, ipv4: string, ipv6: string): Promise<NetworkHost> {
    const namespace = `${this.id}-${name}`;
    await this.#addNamespace(namespace);
    this.#ports += 1;
    const port = `p${this.#ports}`;
    const ip = (...args: string[]) => run('ip', ['-n', namespace, ...args]);
    await run('ip', [
      'link',
      'add',
      'eth0',
      'netns',
      namespace,
      'type',
      'veth',
      'peer',
      'name',
      port,
      'netns',
      this.#switch,
    ]);
    await run('ip', ['-n', this.#switch, 'link', 'set', port, 'master', 'br0', 'up']);
    await ip('link', 'set', 'lo', 'up');
    await ip('link', 'set', 'eth0', 'up');
    await ip('addr', 'add', `${ipv4}/24`, 'dev', 'eth0');
    await ip('addr', 'add', `${ipv6}/64`, 'dev', 'eth0', 'nodad');
    return new NetworkHost(namespace, ipv4, ipv6);
  }

  async #addNamespace(name: string): Promise<void> {
    await run('ip', ['netns', 'add', name]);
    this.#made.push(name);
  }

  /** Kills what still runs in the namespaces and removes them. */
  async remove(): Promise<void> {
    for (const name of this.#made.reverse()) await removeNamespace(name);
    this.#made.length = 0;
  }
}

/** Removes the namespaces of labs whose process is gone. Returns their names. */
export async function removeLeftovers(isAlive: (pid: number) => boolean): Promise<string[]> {
  const names = (await run('ip', ['netns', 'list'])).split('\n').map((line) => line.split(' ')[0] ?? '');
  const left = names.filter((name) => {
    const pid = new RegExp(`^${prefix}-(\\d+)-`).exec(name)?.[1];
    return pid !== undefined && !isAlive(Number(pid));
  });
  for (const name of left) await removeNamespace(name);
  return left;
}

async function removeNamespace(name: string): Promise<void> {
  for (const pid of await pidsIn(name)) kill(pid, 'SIGKILL');
  await execa('ip', ['netns', 'del', name], { reject: false });
}

async function pidsIn(namespace: string): Promise<number[]> {
  const { stdout } = await execa('ip', ['netns', 'pids', namespace], { reject: false });
  return stdout.split('\n').filter(Boolean).map(Number);
}

/** The path that it was started by; empty when it is gone. */
function programOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0] ?? '';
  } catch {
    return '';
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already.
  }
}

type Direction = 'in' | 'out' | 'both';

/** One host as the network sees it: where it is, and what can be done to its links. */
export class NetworkHost {
  readonly namespace: string;
  readonly ipv4: string;
  readonly ipv6: string;

  constructor(namespace: string, ipv4: string, ipv6: string) {
    this.namespace = namespace;
    this.ipv4 = ipv4;
    this.ipv6 = ipv6;
  }

  ip(...args: string[]): Promise<string> {
    return run('ip', ['-n', this.namespace, ...args]);
  }

  async linkDown(): Promise<void> {
    await this.ip('link', 'set', 'eth0', 'down');
  }

  async linkUp(): Promise<void> {
    await this.ip('link', 'set', 'eth0', 'up');
    // The kernel drops IPv6 addresses with the link.
    await execa('ip', ['-n', this.namespace, 'addr', 'add', `${this.ipv6}/64`, 'dev', 'eth0', 'nodad'], {
      reject: false,
    });
  }

  async macAddress(): Promise<string> {
    const [link] = JSON.parse(await this.ip('-j', 'link', 'show', 'dev', 'eth0'));
    return link.address;
  }

  /** Addresses on eth0 now, without prefix lengths. */
  async addresses(): Promise<string[]> {
    const [link] = JSON.parse(await this.ip('-j', 'addr', 'show', 'dev', 'eth0'));
    return link.addr_info.map((info: { local: string }) => info.local);
  }

  /** Starts a program here. See `spawnTo`. */
  spawn(output: string, command: readonly string[], options?: Parameters<typeof spawnTo>[2]): LabProcess {
    return spawnTo(output, ['ip', 'netns', 'exec', this.namespace, ...command], options);
  }

  /** Processes in the namespace that were started as a program of this file name. */
  async pidsOf(fileName: string): Promise<number[]> {
    const pids = await pidsIn(this.namespace);
    return pids.filter((pid) => programOf(pid).endsWith(`/${fileName}`));
  }

  /** Every process in the namespace: all of them are the lab's. */
  async signalAll(signal: NodeJS.Signals): Promise<void> {
    for (const pid of await pidsIn(this.namespace)) kill(pid, signal);
  }

  /** Resolves when no process is left in the namespace. */
  async allEnded(): Promise<void> {
    await waitFor(`the processes of ${this.namespace} to end`, async () => {
      return (await pidsIn(this.namespace)).length === 0;
    });
  }

  /**
   * Drops what comes from, or goes to, the other hosts; with `ports` only TCP to or from these ports. Cuts add up until
   * `heal`.
   */
  async cut(
    others: readonly NetworkHost[],
    direction: Direction,
    ports: readonly number[] = [],
  ): Promise<void> {
    const rules = ['add table inet cut'];
    const port =
      ports.length === 0 ? [''] : [`tcp dport { ${ports.join(', ')} }`, `tcp sport { ${ports.join(', ')} }`];
    for (const [hook, field] of [
      ['input', 'saddr'],
      ['output', 'daddr'],
    ] as const) {
      if (direction === (hook === 'input' ? 'out' : 'in')) continue;
      rules.push(`add chain inet cut ${hook} { type filter hook ${hook} priority 0; }`);
      for (const other of others) {
        for (const match of port) {
          rules.push(`add rule inet cut ${hook} ip ${field} ${other.ipv4} ${match} drop`);
          rules.push(`add rule inet cut ${hook} ip6 ${field} ${other.ipv6} ${match} drop`);
        }
      }
    }
    await run('ip', ['netns', 'exec', this.namespace, 'nft', '-f', '-'], `${rules.join('\n')}\n`);
  }

  async heal(): Promise<void> {
    await execa('ip', ['netns', 'exec', this.namespace, 'nft', 'delete', 'table', 'inet', 'cut'], {
      reject: false,
    });
  }
}
