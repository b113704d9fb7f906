import {
  close,
  constants,
  fchmodSync,
  fsync,
  ftruncateSync,
  futimesSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Entry } from '../manifest/entry.ts';
import type { Tree } from '../tree/tree.ts';
import type { FileClient } from './file-client.ts';

const fsyncAsync = promisify(fsync);
const closeAsync = promisify(close);

/** A whole file fetched from the leader, on disk, outside of the tree. */
export interface StagedFile {
  readonly path: string;
  readonly entry: Entry;
}

/** A folder on the tree's file system where files are completed before they appear in it by rename. */
export class Staging {
  readonly #root: string;
  #next = 1;

  /** Empties it: what lies there was cut off by a crash. */
  constructor(root: string) {
    this.#root = root;
    rmSync(root, { recursive: true, force: true });
    mkdirSync(root, { recursive: true, mode: 0o700 });
  }

  /** null when the leader has no such file any more. */
  async fetch(client: FileClient, path: Buffer): Promise<StagedFile | null> {
    const staged = join(this.#root, String(this.#next++));
    const file = openSync(staged, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    let entry: Entry | null = null;
    try {
      entry = await client.read(path, null, (offset, data) => writeAll(file, data, offset));
      if (entry !== null) await finishFile(file, entry);
    } finally {
      await closeAsync(file);
      if (entry === null) this.discard(staged);
    }
    return entry === null ? null : { path: staged, entry };
  }

  place(tree: Tree, path: Buffer, staged: StagedFile): void {
    tree.withEntry(path, (entry) => renameSync(staged.path, entry));
  }

  discard(staged: string): void {
    rmSync(staged, { force: true });
  }
}

export function writeAll(file: number, data: Buffer, offset: number): void {
  for (let at = 0; at < data.length; ) at += writeSync(file, data, at, data.length - at, offset + at);
}

/** Size, mode and time as the leader's, and all of it on disk. */
export async function finishFile(file: number, entry: Entry): Promise<void> {
  ftruncateSync(file, entry.size);
  fchmodSync(file, entry.mode);
  setTime(file, entry);
  await fsyncAsync(file);
}

export function setTime(file: number, { modifiedAtNs }: Pick<Entry, 'modifiedAtNs'>): void {
  const seconds = Number(modifiedAtNs) / 1e9;
  futimesSync(file, seconds, seconds);
}
