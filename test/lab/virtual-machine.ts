import { globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { debianRoot } from './debian-root.ts';
import { run } from './network.ts';
import { waitFor } from './wait.ts';

/** Of QEMU's user network: the machine, and this one as it is reached from there. */
const address = '10.0.2.15';
export const hostAddress = '10.0.2.2';

const networkUnit = `[Match]
Name=eth0
[Network]
Address=${address}/24
`;

/** Nothing that was forgotten runs for longer, also when this process is killed. */
const longestLifeSeconds = 3600;

function spawnBounded(file: string, args: readonly string[], log: string) {
  return execa('timeout', [String(longestLifeSeconds), file, ...args], {
    reject: false,
    stdin: 'ignore',
    stdout: { file: log, append: true },
    stderr: { file: log, append: true },
    buffer: false,
    cleanup: true,
    forceKillAfterDelay: false,
  });
}

/** A Debian on a virtual machine with a kernel and devices of its own, among them the watchdog timer i6300esb. */
export class VirtualMachine {
  /** By `performance.now()`. */
  readonly resets: number[] = [];
  readonly #folder: string;
  readonly #sshPort: number;
  readonly #isEmulated: boolean;
  #qemu: ReturnType<typeof spawnBounded> | null = null;

  /** @param parts `isEmulated`: by software, for machines whose /dev/kvm does not carry a Debian */
  constructor(parts: { folder: string; sshPort: number; isEmulated: boolean }) {
    this.#folder = parts.folder;
    this.#sshPort = parts.sshPort;
    this.#isEmulated = parts.isEmulated;
  }

  /** Makes its disk. @param fill puts into the root folder what else is wanted */
  async create(fill: (root: string) => Promise<void>): Promise<void> {
    const lower = await debianRoot('virtual-machine');
    const root = this.#file('root');
    for (const part of ['upper', 'work', 'root']) mkdirSync(this.#file(part));
    const layers = `lowerdir=${lower},upperdir=${this.#file('upper')},workdir=${this.#file('work')}`;
    await run('mount', ['-t', 'overlay', 'overlay', '-o', layers, root]);
    try {
      await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', this.#file('key')]);
      await run('install', ['-D', '-m', '600', this.#file('key.pub'), `${root}/root/.ssh/authorized_keys`]);
      writeFileSync(`${root}/etc/systemd/network/eth0.network`, networkUnit);
      await run('systemctl', ['--root', root, 'enable', 'systemd-networkd', 'ssh']);
      await fill(root);
      await run('mkfs.ext4', ['-q', '-d', root, this.#file('disk'), '3G']);
      for (const kind of ['vmlinuz', 'initrd.img']) {
        const [found = ''] = globSync(`${root}/boot/${kind}-*`);
        await run('cp', [found, this.#file(kind)]);
      }
    } finally {
      await run('umount', ['--lazy', root]);
    }
    rmSync(this.#file('upper'), { recursive: true });
  }

  async boot(): Promise<void> {
    const args = [
      ...(this.#isEmulated ? ['-accel', 'tcg', '-cpu', 'max'] : ['-accel', 'kvm', '-cpu', 'host']),
      ...['-m', '1024', '-smp', '2', '-nographic', '-no-user-config', '-nodefaults'],
      ...['-kernel', this.#file('vmlinuz'), '-initrd', this.#file('initrd.img')],
      // A kernel that has crashed waits for the watchdog.
      ...['-append', 'root=/dev/vda rw console=ttyS0 net.ifnames=0 panic=0'],
      ...['-drive', `file=${this.#file('disk')},format=raw,if=virtio,cache=unsafe`],
      ...['-netdev', `user,id=n,hostfwd=tcp:127.0.0.1:${this.#sshPort}-${address}:22`],
      ...['-device', 'virtio-net-pci,netdev=n', '-device', 'i6300esb', '-action', 'watchdog=reset'],
      ...['-serial', `file:${this.#file('console.log')}`],
      ...['-qmp', `unix:${this.#file('qmp')},server=on,wait=on`],
    ];
    this.#qemu = spawnBounded('qemu-system-x86_64', args, this.#file('qemu.log'));
    await this.#watchResets();
    await this.answers();
  }

  /** Waits until it has booted. */
  async answers(): Promise<void> {
    await waitFor(
      `the machine to boot (its console: ${this.#file('console.log')})`,
      () => this.shell('true'),
      {
        limitMs: 300_000,
        everyMs: 1000,
      },
    );
  }

  /** Runs lines of shell inside, as root. @returns what they print, and a line end */
  async shell(script: string): Promise<string> {
    const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'];
    const { stdout } = await execa(
      'ssh',
      [
        ...['ControlMaster=no', 'ConnectTimeout=10', ...options].flatMap((option) => ['-o', option]),
        ...['-i', this.#file('key'), '-p', String(this.#sshPort), 'root@127.0.0.1', script],
      ],
      { stdin: 'ignore', timeout: 60_000 },
    );
    return `${stdout}\n`;
  }

  /** By QEMU's own protocol, which tells when it happens. */
  async #watchResets(): Promise<void> {
    const socket = await waitFor('QEMU to start', () => connect(this.#file('qmp')));
    socket.on('error', () => {});
    createInterface(socket).on('line', (line) => {
      if (JSON.parse(line).event === 'RESET') this.resets.push(performance.now());
    });
    socket.write('{ "execute": "qmp_capabilities" }\n');
  }

  async remove(): Promise<void> {
    this.#qemu?.kill('SIGTERM');
    await this.#qemu;
  }

  #file(name: string): string {
    return join(this.#folder, name);
  }
}

function connect(path: string) {
  const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof createConnection>>();
  const socket = createConnection(path, () => resolve(socket));
  socket.once('error', reject);
  return promise;
}
