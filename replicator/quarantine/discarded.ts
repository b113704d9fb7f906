import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { errnoOf, openEntry, through } from '../tree/tree.ts';
import { discardedFolder } from './layout.ts';
import type { Pace } from './pace.ts';

/**
 * What was discarded and is not gone yet: a folder beside the quarantine, which a restart goes on emptying. A discard is
 * a rename, however much there is in a folder; it is removed at leisure.
 *
 * Folders in it are flattened: what is in one is moved to the top, then it is removed. So no path is longer than two
 * names, however deep clients nested their folders, and no link is followed.
 */
export class Discarded {
  readonly #root: string;
  #next = 0;

  constructor(quarantineRoot: string) {
    this.#root = join(quarantineRoot, discardedFolder);
    for (const name of this.#names()) this.#next = Math.max(this.#next, Number(name) || 0);
  }

  /**
   * Takes in what is at a path of the same file system.
   * @throws errors of the file system; ENOENT when nothing is there
   */
  take(path: Buffer | string): void {
    this.#make();
    this.#next += 1;
    renameSync(path, join(this.#root, String(this.#next)));
  }

  /** Also when somebody removed it: what was moved nowhere would count as gone. */
  #make(): void {
    mkdirSync(this.#root, { recursive: true, mode: 0o700 });
  }

  #names(): string[] {
    this.#make();
    return readdirSync(this.#root);
  }

  /** Removes all there is. What cannot be removed is left, and told. @returns how many were left */
  async empty(pace: Pace): Promise<number> {
    const failed = new Set<string>();
    for (;;) {
      const names = this.#names().filter((name) => !failed.has(name));
      if (names.length === 0) return failed.size;
      for (const name of names) {
        try {
          await this.#remove(join(this.#root, name), pace);
        } catch {
          failed.add(name);
        }
        await pace.breathe();
      }
    }
  }

  async #remove(path: string, pace: Pace): Promise<void> {
    if (!lstatSync(path).isDirectory()) return unlinkSync(path);
    makeOurs(path);
    for (const entry of readdirSync(path, { encoding: 'buffer', withFileTypes: true })) {
      const child = Buffer.concat([Buffer.from(`${path}/`), entry.name]);
      if (entry.isDirectory()) {
        // To move a folder is to write into it: its way up is there.
        makeOurs(child);
        this.take(child);
      } else unlinkSync(child);
      await pace.breathe();
    }
    rmdirSync(path);
  }
}

/** Clients may set modes that forbid it to us as well. Never through a link. */
function makeOurs(folder: Buffer | string): void {
  const handle = openEntry(Buffer.from(folder));
  try {
    chmodSync(through(handle), 0o700);
  } catch (error) {
    if (errnoOf(error) !== 'EPERM') throw error;
  } finally {
    closeSync(handle);
  }
}
