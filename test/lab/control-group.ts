import { existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Where systemd keeps groups of processes: the whole of /sys/fs/cgroup, or, beside the controllers of version 1, a
 * folder for version 2 and one for systemd's own tree.
 */
const trees = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/systemd'].filter((tree) =>
  existsSync(join(tree, 'cgroup.procs')),
);

/**
 * A control group of its own for a machine: two machines in one group would share each other's services, and each
 * systemd would find processes that it cannot see.
 */
export class ControlGroup {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  /** The names of all groups at the top, of labs and of others. */
  static names(): string[] {
    const entries = trees.flatMap((tree) => readdirSync(tree, { withFileTypes: true }));
    return [...new Set(entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name))];
  }

  get #folders(): string[] {
    return trees.map((tree) => join(tree, this.#name));
  }

  /** The command that runs `command` in this group: the same process, so that its pid is that of the command. */
  enter(command: readonly string[]): [file: string, ...args: string[]] {
    const script = 'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done; shift; exec "$@"';
    return ['sh', '-c', script, 'sh', ...this.#folders, '--', ...command];
  }

  create(): void {
    for (const folder of this.#folders) mkdirSync(folder, { recursive: true });
  }

  /** @throws EBUSY while a process is in it */
  remove(): void {
    for (const folder of this.#folders) removeTree(folder);
  }
}

/** Groups are folders whose files are not removed; only empty groups can be. */
function removeTree(folder: string): void {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(folder, entry.name));
  }
  rmdirSync(folder);
}
