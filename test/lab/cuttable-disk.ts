import {
  constants,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import type { LabHost } from './host.ts';
import { mountsBelow } from './leftovers.ts';

/** What a host has on its disk: everything but its run folder, which a machine keeps in memory, and its logs. */
const foldersOnDisk = ['data', 'config', 'state', 'etcd'] as const;
/** What is lost with a disk that is replaced. Its etcd member stays: replacing members is etcd's own procedure. */
const foldersOfHoldfast = ['data', 'config', 'state'] as const;

/** Where disk images lie that can be cloned in an instant: an XFS with reflink, in memory. */
export class ReflinkStore {
  readonly folder: string;
  readonly #memory: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.#memory = `${folder}.memory`;
  }

  /** @param folder is made; the images of all hosts of a lab share it */
  static async mount(folder: string, gib = 4): Promise<ReflinkStore> {
    const store = new ReflinkStore(folder);
    for (const each of [folder, store.#memory]) mkdirSync(each, { recursive: true });
    await execa('mount', ['-t', 'tmpfs', '-o', `size=${gib}g`, 'tmpfs', store.#memory]);
    const image = join(store.#memory, 'store.img');
    writeFileSync(image, '');
    await truncate(image, gib * 2 ** 30);
    await execa('mkfs.xfs', ['-q', '-m', 'reflink=1', image]);
    await execa('mount', ['-o', 'loop,discard', image, folder]);
    return store;
  }

  /** After all disks. */
  async unmount(): Promise<void> {
    for (const folder of [this.folder, this.#memory]) {
      await execa('umount', ['--lazy', folder], { reject: false });
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

/**
 * The disk of a host, whose power can be cut: an XFS in an image. `image` is cloned at one instant of the cut, the host
 * goes on with the clone, and XFS recovers its log when that is mounted.
 *
 * What is lost is what had not reached the image: data and names in the page cache, and XFS's log in memory. So an
 * acknowledgement without its fsync is found. The clone waits for writes to the image that are under way and has all
 * those that came before it, in their order, whether or not a flush followed them.
 *
 * Not modelled: a device that loses or reorders writes which it has completed but not flushed (this one has no volatile
 * cache), sectors torn in the middle, and disks that lie about a flush. A program that writes around the page cache and
 * leaves the flush out would not be found; one that uses fsync is judged as on a real disk.
 */
export class CuttableDisk {
  readonly #host: LabHost;
  readonly #image: string;
  readonly #mountPoint: string;

  private constructor(host: LabHost, store: ReflinkStore) {
    this.#host = host;
    this.#image = join(store.folder, `${host.name}.img`);
    this.#mountPoint = join(host.folder, 'disk');
  }

  /** Before the host is started for the first time; what it has already goes onto the disk. XFS needs 300 MiB. */
  static async mount(host: LabHost, store: ReflinkStore, mib = 768): Promise<CuttableDisk> {
    const disk = new CuttableDisk(host, store);
    writeFileSync(disk.#image, '');
    await truncate(disk.#image, mib * 2 ** 20);
    await execa('mkfs.xfs', ['-q', disk.#image]);
    // Processes in network namespaces have mount namespaces of their own, in which an unmount must be seen too.
    await execa('mount', ['--bind', host.folder, host.folder]);
    await execa('mount', ['--make-shared', host.folder]);
    mkdirSync(disk.#mountPoint);
    await disk.#attach();
    return disk;
  }

  async #attach(): Promise<void> {
    // The image that it is a clone of has the same UUID, and may still be mounted somewhere.
    await execa('mount', ['-o', 'loop,discard,nouuid', this.#image, this.#mountPoint]);
    for (const name of foldersOnDisk) {
      const [onDisk, seen] = [join(this.#mountPoint, name), join(this.#host.folder, name)];
      if (!existsSync(onDisk)) {
        mkdirSync(seen, { recursive: true, mode: 0o700 });
        cpSync(seen, onDisk, { recursive: true, preserveTimestamps: true });
      }
      await execa('mount', ['--bind', onDisk, seen]);
    }
  }

  async #detach(): Promise<void> {
    for (const name of foldersOnDisk) await unmount(join(this.#host.folder, name));
    await unmount(this.#mountPoint);
  }

  /**
   * The power of the host is cut: its processes stand still, the image is cloned, and only then do they end. What they
   * have acknowledged was acknowledged before the cut. The host is off then, until `comeBack`.
   */
  async cutPower(): Promise<void> {
    await this.freeze();
    await this.finishCut();
  }

  /** The instant of the cut. With several hosts: of all of them first, since what one acknowledged others may rely on. */
  async freeze(): Promise<void> {
    await this.#host.network.signalAll('SIGSTOP');
    copyFileSync(this.#image, this.#clone, constants.COPYFILE_FICLONE_FORCE);
  }

  async finishCut(): Promise<void> {
    await this.#host.die();
    await this.#host.network.allEnded();
    await this.#detach();
    rmSync(this.#image);
    copyFileSync(this.#clone, this.#image, constants.COPYFILE_FICLONE_FORCE);
    rmSync(this.#clone);
    await this.#attach();
    rmSync(this.#host.runFolder, { recursive: true, force: true });
  }

  get #clone(): string {
    return `${this.#image}.clone`;
  }

  /** What Holdfast has on it is gone, as when an empty disk takes its place. While the host is off. */
  erase(): void {
    for (const name of foldersOfHoldfast) {
      const folder = join(this.#host.folder, name);
      for (const entry of readdirSync(folder)) rmSync(join(folder, entry), { recursive: true, force: true });
    }
  }

  get #filler(): string {
    return join(this.#mountPoint, 'filler');
  }

  /** Fills it to the last block. */
  async fill(): Promise<void> {
    const { bavail, bsize } = statfsSync(this.#mountPoint);
    // In one step what is surely there, and the rest byte by byte, since others write at the same time.
    const most = Math.max(bsize, bavail * bsize - 2 ** 22);
    await execa('fallocate', ['--length', `${most}`, this.#filler], { reject: false });
    await execa('dd', ['if=/dev/zero', `of=${this.#filler}2`, 'bs=4k'], { reject: false });
  }

  free(): void {
    for (const file of [this.#filler, `${this.#filler}2`]) rmSync(file, { force: true });
  }

  /** After the host's processes have ended. */
  async unmount(): Promise<void> {
    for (const folder of mountsBelow(this.#host.folder).reverse()) await unmount(folder);
    await unmount(this.#host.folder);
  }
}

/** A process that is ending may hold it for another moment. */
async function unmount(folder: string): Promise<void> {
  for (let turn = 0; turn < 40; turn++) {
    const { exitCode } = await execa('umount', [folder], { reject: false });
    if (exitCode === 0) return;
    await delay(50);
  }
  await execa('umount', ['--lazy', folder], { reject: false });
}
