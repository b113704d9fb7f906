import { type Dirent, lstatSync, readdirSync } from 'node:fs';
import { HoldfastError } from '#contracts/errors.ts';
import type { ReplicatorSettings } from '#contracts/ipc/replicator.ts';
import type { Logger } from '#contracts/log.ts';

/** Small trees change by large shares: so many files may go whatever share of them that is. */
export const alwaysRemovable = 100;

/** A comparison that was stopped: it would take away at least so many of so many files. */
export interface PendingRemoval {
  readonly files: number;
  readonly of: number;
  readonly leader: string;
}

/**
 * What a comparison with the leader may take away from this host by itself. What clients removed comes with the records; a
 * leader that lacks many files may have lost them, and then this host has the last copies.
 */
export class RemovalGate {
  readonly #filesRoot: string;
  readonly #share: number;
  readonly #log: Logger;
  readonly #onChanged: () => void;
  #pending: PendingRemoval | null = null;
  #isAccepted = false;
  #removed = 0;
  /** The files of this host, as far as they had to be counted. */
  #here: { readonly removedBefore: number; readonly files: FileCount } | null = null;

  constructor(
    { filesRoot, maxRemovalShare }: Pick<ReplicatorSettings, 'filesRoot' | 'maxRemovalShare'>,
    log: Logger,
    onChanged: () => void,
  ) {
    this.#filesRoot = filesRoot;
    this.#share = maxRemovalShare;
    this.#log = log;
    this.#onChanged = onChanged;
  }

  get pending(): PendingRemoval | null {
    return this.#pending;
  }

  /**
   * Counts what is about to be taken away.
   * @param entry a file, or a directory with all below it, for system calls
   * @throws HoldfastError RESYNC_REMOVES_MUCH: an operator has to say
   */
  admit(entry: Buffer, leader: string): void {
    const files = this.#removed + new FileCount(entry).atLeast(Number.POSITIVE_INFINITY);
    if (files > alwaysRemovable && !this.#isAccepted) {
      this.#here ??= { removedBefore: this.#removed, files: new FileCount(Buffer.from(this.#filesRoot)) };
      const { removedBefore } = this.#here;
      const enough = files / this.#share;
      const of = removedBefore + this.#here.files.atLeast(enough - removedBefore);
      if (of < enough) this.#hold({ files, of, leader });
    }
    this.#removed = files;
  }

  /** An operator lets the comparison take away what it finds. */
  accept(): void {
    this.#isAccepted = true;
    this.#pending = null;
    this.#log.warn('an operator lets the comparison take files away');
    this.#onChanged();
  }

  /** A comparison went through, or another leader is followed: what waited or was allowed is over. */
  clear(): void {
    this.#isAccepted = false;
    this.#removed = 0;
    this.#here = null;
    if (this.#pending === null) return;
    this.#pending = null;
    this.#onChanged();
  }

  #hold(removal: PendingRemoval): never {
    const { files, of, leader } = removal;
    const what = `the comparison with ${leader} would take away at least ${files} of the ${of} files here, which ${leader} does not have`;
    if (this.#pending?.files !== files || this.#pending.leader !== leader)
      this.#log.error({ code: 'RESYNC_REMOVES_MUCH', files, of, leader }, `${what}: an operator has to say`);
    this.#pending = removal;
    this.#onChanged();
    throw new HoldfastError('RESYNC_REMOVES_MUCH', what);
  }
}

/** Counts files and links in a tree, no further than it is asked to. Links are not followed. */
class FileCount {
  readonly #found: Generator<void>;
  #count = 0;

  constructor(top: Buffer) {
    this.#found = filesIn(top);
  }

  /** @returns how many there are, or more than `enough` */
  atLeast(enough: number): number {
    while (this.#count < enough && !this.#found.next().done) this.#count += 1;
    return this.#count;
  }
}

function* filesIn(top: Buffer): Generator<void> {
  if (!lstatSync(top).isDirectory()) yield;
  const folders = [top];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of entriesOf(folder)) {
      if (entry.isDirectory()) folders.push(Buffer.concat([folder, Buffer.from('/'), entry.name]));
      else yield;
    }
  }
}

/** None of what cannot be read, or is no directory. */
function entriesOf(path: Buffer): readonly Dirent<Buffer>[] {
  try {
    return readdirSync(Buffer.concat([path, Buffer.from('/.')]), { withFileTypes: true, encoding: 'buffer' });
  } catch {
    return [];
  }
}
