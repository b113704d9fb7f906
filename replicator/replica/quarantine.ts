import { lstatSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '#contracts/log.ts';
import { makeFolderDurably, syncDirectory } from '../state/durable-file.ts';
import { joinPath, printable, splitPath } from '../tree/path.ts';
import { errnoOf, type Tree } from '../tree/tree.ts';

/**
 * Where what only this host had is kept: `quarantineRoot/<epoch>-<time>/path`. Nothing is ever removed from here by
 * the program.
 */
export class Quarantine {
  readonly #folder: string;
  readonly #log: Logger;
  readonly #onMoved: () => void;

  /** @param startedAt names the folder; wall time, for people */
  constructor(quarantineRoot: string, epoch: number, startedAt: Date, log: Logger, onMoved: () => void) {
    this.#folder = join(quarantineRoot, `${epoch}-${startedAt.toISOString().replaceAll(':', '')}`);
    this.#log = log;
    this.#onMoved = onMoved;
  }

  get folder(): string {
    return this.#folder;
  }

  /** Moves what is at the path, with all below it; nothing happens when nothing is there. */
  moveIn(tree: Tree, path: Buffer): void {
    const { directory, target } = this.#place(path);
    try {
      tree.withEntry(path, (entry) => renameSync(entry, target));
      syncDirectory(directory);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return;
      throw error;
    }
    this.#log.warn(
      { path: printable(path), keptIn: this.#folder },
      'moved to quarantine: only this host had it',
    );
    this.#onMoved();
  }

  /** The folders above it made, and a name that is still free. */
  #place(path: Buffer): { directory: Buffer; target: Buffer } {
    const parts = splitPath(path);
    const name = parts.at(-1) ?? Buffer.from('root');
    makeFolderDurably(this.#folder, 0o700);
    let directory: Buffer = Buffer.from(this.#folder);
    for (const part of parts.slice(0, -1)) {
      const above = directory;
      directory = joinPath(directory, part);
      if (makeDirectory(directory)) syncDirectory(above);
    }
    let place = joinPath(directory, name);
    for (let again = 2; exists(place); again++) {
      place = Buffer.concat([directory, Buffer.from('/'), name.subarray(0, 240), Buffer.from(`.${again}`)]);
    }
    return { directory, target: place };
  }
}

export function stagingRoot(quarantineRoot: string): string {
  return join(quarantineRoot, '.staging');
}

/** False when it is there. */
function makeDirectory(path: Buffer): boolean {
  try {
    mkdirSync(path, 0o700);
    return true;
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    return false;
  }
}

function exists(path: Buffer): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
