import {
  chmodSync,
  closeSync,
  constants,
  fsync,
  mkdirSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
} from 'node:fs';
import { promisify } from 'node:util';
import { type Entry, isGone, nameOf, readDirectory, readEntry } from '../manifest/entry.ts';
import type { Quarantine } from '../quarantine/quarantine.ts';
import { fromKey, joinPath, parentOf, rootPath, toKey } from '../tree/path.ts';
import { errnoOf, openEntry, type Tree, through } from '../tree/tree.ts';
import type { StagedFile, Staging } from './staging.ts';
import { syncFileSystem } from './sync-file-system.ts';

const fsyncAsync = promisify(fsync);
/** An fsync takes milliseconds: beyond so many the file system is synced as a whole. */
const maxSingleSyncs = 64;

/**
 * The single changes by which a tree is made equal to another. What was there before goes to the quarantine, or
 * away when it is known to be the leader's own older state.
 */
export class TreeChange {
  readonly #tree: Tree;
  readonly #staging: Staging;
  readonly #quarantine: Quarantine;
  readonly #syncAll: (folder: string) => Promise<void>;
  readonly #changedDirectories = new Set<string>();
  /** Files with another mode or time. */
  readonly #changedFiles = new Set<string>();
  /** Whether what is replaced or removed may be something that only this host has. */
  keepsOld = true;

  constructor(
    tree: Tree,
    staging: Staging,
    quarantine: Quarantine,
    syncAll: (folder: string) => Promise<void> = syncFileSystem,
  ) {
    this.#tree = tree;
    this.#staging = staging;
    this.#quarantine = quarantine;
    this.#syncAll = syncAll;
  }

  placeFile(path: Buffer, staged: StagedFile): void {
    this.clear(path, 'differs');
    this.#staging.place(this.#tree, path, staged);
    this.#changed(path);
  }

  makeLink(path: Buffer, entry: Entry): void {
    this.clear(path, 'differs');
    this.#tree.withEntry(path, (at) => symlinkSync(fromKey(entry.target), at));
    this.#changed(path);
  }

  /** Writable for us until its entries are in place; `setMode` gives it the mode it is to have. */
  makeDirectory(path: Buffer): void {
    this.clear(path, 'differs');
    this.#tree.withEntry(path, (at) => mkdirSync(at, 0o700));
    this.#changed(path);
  }

  setMode(path: Buffer, entry: Entry): void {
    this.#throughHandle(path, (file) => chmodSync(file, entry.mode));
    this.#changedDirectories.add(toKey(path));
  }

  /** Mode and time of a file whose content is right. */
  setAttributes(path: Buffer, entry: Entry): void {
    const seconds = Number(entry.modifiedAtNs) / 1e9;
    this.#throughHandle(path, (file) => {
      chmodSync(file, entry.mode);
      utimesSync(file, seconds, seconds);
    });
    this.#changedFiles.add(toKey(path));
  }

  /** Takes away what is at a path, if anything, with all below it; `differs`: the leader has another in its place. */
  clear(path: Buffer, reason: 'only-here' | 'differs' = 'only-here'): void {
    const local = readEntry(this.#tree, path);
    if (local === null) return;
    if (this.keepsOld) this.#quarantine.moveIn(this.#tree, path, reason);
    else removeTree(this.#tree, path, local);
    this.#changed(path);
  }

  /** The names, modes and times changed so far are on disk when this resolves. */
  async flush(): Promise<void> {
    const directories = [...this.#changedDirectories];
    const files = [...this.#changedFiles];
    this.#changedDirectories.clear();
    this.#changedFiles.clear();
    if (directories.length + files.length > maxSingleSyncs) return await this.#syncAll(this.#tree.root);
    for (const key of files)
      await syncIfOpened(() => this.#tree.open(fromKey(key), constants.O_RDONLY | constants.O_NONBLOCK));
    for (const key of directories) await syncIfOpened(() => this.#tree.openDirectory(fromKey(key)));
  }

  #changed(path: Buffer): void {
    this.#changedDirectories.add(toKey(path.length === 0 ? rootPath : parentOf(path)));
  }

  #throughHandle(path: Buffer, change: (file: string) => void): void {
    this.#tree.withEntry(path, (entry) => {
      const handle = openEntry(entry);
      try {
        change(through(handle));
      } finally {
        closeSync(handle);
      }
    });
  }
}

/**
 * What is gone by now needs no fsync: that it is gone is in a directory. What its own mode forbids us to open has its
 * content on disk, its mode not surely so.
 */
async function syncIfOpened(open: () => number): Promise<void> {
  let file: number;
  try {
    file = open();
  } catch (error) {
    if (isGone(error) || errnoOf(error) === 'EACCES') return;
    throw error;
  }
  try {
    await fsyncAsync(file);
  } finally {
    closeSync(file);
  }
}

function removeTree(tree: Tree, path: Buffer, entry: Entry): void {
  if (entry.type !== 'directory') {
    tree.withEntry(path, (at) => unlinkSync(at));
    return;
  }
  for (const child of readDirectory(tree, path) ?? []) removeTree(tree, joinPath(path, nameOf(child)), child);
  tree.withEntry(path, (at) => rmdirSync(at));
}
