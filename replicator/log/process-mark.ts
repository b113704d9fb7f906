import {
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';

/** The folders whose page cache must have outlived the process. */
export interface MarkedPlaces {
  readonly files: string;
  readonly log: string;
}

/** Where this system shows its mounts and devices. */
export interface SystemFolders {
  readonly proc: string;
  readonly sys: string;
}

/**
 * Tells at a start whether only the process died since the last one, so that all that it wrote is still there, in the
 * page cache or on the disk (P5). The mark lies in the run folder, a tmpfs, and names the boot and, of each folder, the
 * device, the inode, and the mount. Anything else than exactly the same means: not known, as after power loss.
 *
 * What it does not see: a file system that was taken off and put on again with equal numbers, where the kernel tells no
 * more about it. Taking it off in order writes all of the page cache; a disk that vanished under it does not come back
 * with equal numbers. And whoever changes files while the process is down.
 */
export class ProcessMark {
  readonly #path: string;
  readonly #distrustPath: string;
  readonly #places: MarkedPlaces;
  readonly #system: SystemFolders;

  /** @param runFolder is empty after each boot, and outlives the process */
  constructor(
    runFolder: string,
    places: MarkedPlaces,
    system: SystemFolders = { proc: '/proc', sys: '/sys' },
  ) {
    this.#path = join(runFolder, 'process-mark.json');
    this.#distrustPath = join(runFolder, 'page-cache-distrusted.json');
    this.#places = places;
    this.#system = system;
  }

  /** Before anything of this start is relied on. */
  onlyProcessDied(): boolean {
    const now = this.#now();
    return now !== null && !this.pageCacheLies() && readOrNull(this.#path) === now;
  }

  /**
   * Once what the last start left uncertain is in the log: the next start will not ask again. A mark that is torn, as
   * when the run folder is full, is not intact.
   */
  leave(): void {
    const now = this.#now();
    if (now === null) return;
    writeFileSync(`${this.#path}.new`, now, { mode: 0o600 });
    renameSync(`${this.#path}.new`, this.#path);
  }

  /** From now on the next start is one after power loss. */
  remove(): void {
    rmSync(this.#path, { force: true });
  }

  /**
   * After a failed flush of the log or of a directory (P6): what is read back may be what never reached the disk. The log
   * is to be begun anew, whatever its checksums say.
   */
  distrustPageCache(): void {
    this.remove();
    writeFileSync(this.#distrustPath, this.#boot(), { mode: 0o600 });
  }

  /** Whether a process of this boot saw such a flush fail, and nobody began anew since. */
  pageCacheLies(): boolean {
    return readOrNull(this.#distrustPath) === this.#boot();
  }

  /** The log is a new one, and says that everything is doubted. */
  trustPageCache(): void {
    rmSync(this.#distrustPath, { force: true });
  }

  /** null when the system does not tell enough. */
  #now(): string | null {
    const mounts = readFileSync(join(this.#system.proc, 'self/mountinfo'), 'utf8');
    const files = this.#describe(this.#places.files, mounts);
    const log = this.#describe(this.#places.log, mounts);
    if (files === null || log === null) return null;
    return `${JSON.stringify({ boot: this.#boot(), files, log })}\n`;
  }

  #boot(): string {
    return readFileSync(join(this.#system.proc, 'sys/kernel/random/boot_id'), 'utf8').trim();
  }

  #describe(folder: string, mounts: string): Record<string, string> | null {
    const mount = mountOf(mounts, realpathSync(folder));
    if (mount === null) return null;
    const { dev, ino, birthtimeNs } = statSync(folder, { bigint: true });
    return {
      device: String(dev),
      inode: String(ino),
      born: String(birthtimeNs),
      type: mount.type,
      source: mount.source,
      mounted: this.#session(mount) ?? `mount ${mount.id}`,
    };
  }

  /**
   * Some file systems have a folder in /sys from mount to unmount; another mount gets another inode. It says more than
   * the number of the mount, which is given to others again, and which is new in each mount namespace: a service that
   * systemd shields has another one at each start.
   */
  #session({ device, type }: Mount): string | null {
    try {
      const name = basename(readlinkSync(join(this.#system.sys, 'dev/block', device)));
      const { ino } = statSync(join(this.#system.sys, 'fs', type, name), { bigint: true });
      return `${type} session ${ino}`;
    } catch {
      return null;
    }
  }
}

export interface Mount {
  readonly id: string;
  readonly device: string;
  readonly point: string;
  readonly type: string;
  readonly source: string;
}

/**
 * The mount that a folder is on: the deepest above it; of several at one point the last.
 * @param mountinfo the text of /proc/self/mountinfo
 * @param folder absolute, without links
 */
export function mountOf(mountinfo: string, folder: string): Mount | null {
  const above = mountinfo
    .split('\n')
    .flatMap((line) => parseMount(line) ?? [])
    .filter(({ point }) => point === '/' || folder === point || folder.startsWith(`${point}/`));
  const deepest = Math.max(...above.map(({ point }) => point.length));
  return above.findLast(({ point }) => point.length === deepest) ?? null;
}

/** `id parent major:minor root point options [optional fields] - type source options` */
function parseMount(line: string): Mount | null {
  const [id, , device, , point, , ...more] = line.split(' ');
  const [type, source] = more.slice(more.indexOf('-') + 1);
  if (!id || !device || !point || !type || !source) return null;
  return { id, device, point: unescaped(point), type, source };
}

/** Blanks and backslashes stand as octal numbers. */
function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
