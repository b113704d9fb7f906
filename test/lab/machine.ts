import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { ControlGroup } from './control-group.ts';
import { debianRoot } from './debian-root.ts';
import type { NetworkHost } from './network.ts';
import { spawnTo } from './spawn.ts';
import { waitFor } from './wait.ts';

function spawnMachine(group: ControlGroup, args: readonly string[], console: string) {
  return spawnTo(console, group.enter(['systemd-nspawn', ...args]), {
    // Version 2 of control groups, as on any Debian of today, whatever this machine has.
    env: { SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1' },
  });
}

/** A Debian that is really booted with systemd, on an overlay of its own, in the network of a lab's host. */
export class Machine {
  readonly name: string;
  readonly network: NetworkHost;
  readonly #folder: string;
  readonly #group: ControlGroup;
  #container: ReturnType<typeof spawnMachine> | null = null;
  #leaderPid = 0;

  constructor(name: string, network: NetworkHost, folder: string) {
    this.name = name;
    this.network = network;
    this.#folder = join(folder, `machine-${name}`);
    this.#group = new ControlGroup(network.namespace);
  }

  /** The machine's root folder, from outside. */
  get root(): string {
    return join(this.#folder, 'root');
  }

  /** Mounts the root; what is put there before `boot` is there when systemd starts. */
  async create(): Promise<void> {
    const lower = await debianRoot();
    for (const part of ['upper', 'work', 'root']) mkdirSync(join(this.#folder, part), { recursive: true });
    const layers = `lowerdir=${lower},upperdir=${join(this.#folder, 'upper')},workdir=${join(this.#folder, 'work')}`;
    await execa('mount', ['-t', 'overlay', 'overlay', '-o', layers, this.root]);
    writeFileSync(join(this.root, 'etc/hostname'), `${this.name}\n`);
    rmSync(join(this.root, 'etc/machine-id'), { force: true });
    writeFileSync(join(this.root, 'etc/machine-id'), '');
  }

  write(path: string, text: string, mode = 0o644): void {
    const file = join(this.root, path);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, text, { mode });
  }

  async boot(): Promise<void> {
    this.#group.create();
    this.#container = spawnMachine(
      this.#group,
      [
        ...['--quiet', '--boot', '--register=no', '--keep-unit', '--console=read-only'],
        ...[`--machine=${this.name}`, `--directory=${this.root}`],
        `--network-namespace-path=/run/netns/${this.network.namespace}`,
        // nspawn keeps it from machines whose network it did not make itself.
        '--capability=CAP_NET_ADMIN',
      ],
      join(this.#folder, 'console.log'),
    );
    const { pid } = this.#container;
    await waitFor(`${this.name} to boot`, async () => {
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
      this.#leaderPid = Number(children.split(' ')[0]);
      if (!(this.#leaderPid > 0)) return false;
      const { stdout } = await this.exec('systemctl', ['is-system-running'], { reject: false });
      return stdout === 'running' || stdout === 'degraded';
    });
  }

  /** Runs a command inside, as root. */
  exec(file: string, args: readonly string[], { reject = true }: { reject?: boolean } = {}) {
    // With its root: nspawn in a chroot cannot make the machine's folder the root of the namespace, only of its processes.
    const enter = ['--target', String(this.#leaderPid), '--all', '--root', '--wd', '--'];
    return execa('nsenter', [...enter, file, ...args], { reject, timeout: 60_000 });
  }

  async journal(unit: string): Promise<string> {
    const { stdout } = await this.exec('journalctl', ['-u', unit, '-o', 'cat', '-n', '60', '--no-pager'], {
      reject: false,
    });
    return stdout;
  }

  async remove(): Promise<void> {
    if (this.#leaderPid > 0) {
      try {
        process.kill(this.#leaderPid, 'SIGKILL');
      } catch {
        // It never booted, or is down.
      }
    }
    this.#container?.kill('SIGKILL');
    await this.#container;
    await waitFor(`the processes of ${this.name} to end`, () => this.#group.remove() ?? true);
    await execa('umount', ['--lazy', this.root], { reject: false });
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
