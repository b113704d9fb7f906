import { lstatSync, mkdirSync, readdirSync, renameSync, rmSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import type { QuarantineReason } from '#contracts/ipc/quarantine.ts';
import type { Logger } from '#contracts/log.ts';
import { makeFolderDurably, syncDirectory } from '../state/durable-file.ts';
import { printable } from '../tree/path.ts';
import { errnoOf } from '../tree/tree.ts';
import {
  batchName,
  folderRecordName,
  idOf,
  numberOfRecord,
  numberOfThing,
  recordName,
  thingName,
} from './layout.ts';
import { type QuarantineRecord, writeRecord } from './record.ts';

export interface QuarantineOptions {
  readonly root: string;
  /** The leadership that is followed, by whose tree this host's is judged. */
  readonly epoch: number;
  readonly leader: string;
  readonly wallClock: () => Date;
  readonly log: Logger;
  readonly onMoved: () => void;
}

const sentences: Record<QuarantineReason, string> = {
  'only-here': 'moved to quarantine: only this host had it',
  differs: 'moved to quarantine: the leader has another in its place',
  'host-keys': 'moved to quarantine: the leader has other host keys',
  unknown: 'moved to quarantine',
};

/**
 * Where what only this host had is kept, each thing with a record beside it (layout.ts). What is moved here leaves by an
 * operator's word or beyond the bounds alone (keeper.ts).
 */
export class Quarantine {
  readonly #options: QuarantineOptions;
  readonly #folder: string;
  readonly #batch: string;
  /** The number of the last thing; null before the first. */
  #last: number | null = null;

  constructor(options: QuarantineOptions) {
    this.#options = options;
    this.#batch = batchName(options.epoch, options.wallClock());
    this.#folder = join(options.root, this.#batch);
  }

  get folder(): string {
    return this.#folder;
  }

  /**
   * Moves an entry of a directory, with all below it. On disk here when this returns; that it left its directory is for the
   * caller to flush.
   * @param entry for system calls
   * @param path where it was, from the files root
   * @throws errors of the file system
   */
  moveIn(entry: Buffer, path: Buffer, reason: QuarantineReason): void {
    const stats = lstatSync(entry);
    const number = this.#nextNumber();
    const name = thingName(number, path);
    const target = Buffer.concat([Buffer.from(`${this.#folder}/`), name]);
    const record = join(this.#folder, recordName(number));
    this.#write(record, {
      path,
      reason,
      type: typeOf(stats),
      bytes: stats.isFile() ? stats.size : null,
    });
    try {
      renameSync(entry, target);
    } catch (error) {
      rmSync(record, { force: true });
      throw error;
    }
    // The name of the record, and of what it is about.
    syncDirectory(this.#folder);
    const id = idOf(`${this.#batch}/${name.toString('latin1')}`);
    this.#options.log.warn({ path: printable(path), keptIn: this.#folder, id, reason }, sentences[reason]);
    this.#options.onMoved();
  }

  /** The record of a folder of host keys that lies in the quarantine already. @throws errors of the file system */
  recordHostKeys(folder: string, path: Buffer): void {
    const file = join(this.#options.root, folderRecordName(folder));
    if (lstatSync(file, { throwIfNoEntry: false }) !== undefined) return;
    this.#write(file, { path, reason: 'host-keys', type: 'folder', bytes: null });
    syncDirectory(this.#options.root);
  }

  /** A disk that is full takes no record, and the move all the same: without it replication would stand still. */
  #write(file: string, about: Pick<QuarantineRecord, 'path' | 'reason' | 'type' | 'bytes'>): void {
    const { epoch, leader, wallClock, log } = this.#options;
    try {
      writeRecord(file, { ...about, at: wallClock(), epoch, leader, acknowledged: null });
    } catch (error) {
      const code = errnoOf(error);
      if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
      rmSync(file, { force: true });
      log.error({ path: printable(about.path), code }, 'no room for the record of what goes to quarantine');
    }
  }

  #nextNumber(): number {
    if (this.#last === null) {
      makeFolderDurably(this.#folder, 0o700);
      this.#last = readdirSync(this.#folder, { encoding: 'latin1' })
        .map((name) => numberOfThing(name) ?? numberOfRecord(name) ?? 0)
        .reduce((most, number) => Math.max(most, number), 0);
    }
    // Removed when the last thing in it was discarded.
    if (makeDirectory(this.#folder)) syncDirectory(this.#options.root);
    this.#last += 1;
    return this.#last;
  }
}

export function typeOf(stats: Pick<Stats, 'isFile' | 'isDirectory' | 'isSymbolicLink'>) {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'folder';
  return stats.isSymbolicLink() ? 'link' : 'other';
}

/** False when it is there. */
function makeDirectory(path: string): boolean {
  try {
    mkdirSync(path, 0o700);
    return true;
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    return false;
  }
}
