import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';

/** A small disk of its own for one folder: an ext4 file system in a file, which can be filled, write-protected, frozen. */
export class LabDisk {
  readonly #folder: string;
  readonly #image: string;

  private constructor(folder: string, image: string) {
    this.#folder = folder;
    this.#image = image;
  }

  /** Mounts it on the folder, which it makes. */
  static async mount(folder: string, mib: number): Promise<LabDisk> {
    const image = `${folder}.img`;
    mkdirSync(folder, { recursive: true });
    writeFileSync(image, '');
    truncateSync(image, mib * 2 ** 20);
    // No blocks are kept back for root, who the lab's processes are.
    await execa('mkfs.ext4', ['-q', '-F', '-m', '0', image]);
    await execa('mount', ['-o', 'loop', image, folder]);
    return new LabDisk(folder, image);
  }

  get #filler(): string {
    return join(this.#folder, 'filler');
  }

  /** Fills it to the last block. */
  async fill(): Promise<void> {
    await execa('dd', ['if=/dev/zero', `of=${this.#filler}`, 'bs=64k'], { reject: false });
  }

  free(): void {
    rmSync(this.#filler, { force: true });
  }

  async writeProtect(on: boolean): Promise<void> {
    await execa('mount', ['-o', `remount,${on ? 'ro' : 'rw'}`, this.#folder]);
  }

  /** Whoever writes waits in the kernel and cannot be killed. Until `thaw`. */
  async freeze(): Promise<void> {
    await execa('fsfreeze', ['--freeze', this.#folder]);
  }

  async thaw(): Promise<void> {
    await execa('fsfreeze', ['--unfreeze', this.#folder], { reject: false });
  }

  /** After the processes that use it have ended. */
  async unmount(): Promise<void> {
    await this.thaw();
    await execa('umount', ['--lazy', this.#folder], { reject: false });
    rmSync(this.#image, { force: true });
  }
}
