import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import * as z from 'zod';
import type { Inode } from '../core/tree.ts';
import type { TreePath } from '../core/uncertain-names.ts';
import { readIfThere, syncDirectory, writeDurably } from '../state/durable-file.ts';

/** More failed flushes than these are no matter of single files. */
const maxFiles = 1000;

const noteSchema = z
  .array(z.object({ path: z.string(), inode: z.string().regex(/^\d{1,20}$/) }))
  .max(maxFiles);

export interface FailedFile {
  /** Where it was then. */
  readonly path: TreePath;
  readonly inode: Inode;
}

/**
 * The files whose flush failed (P6): what is read of them comes from memory, and may never have reached the disk. Kept in
 * a note until they are replaced by new ones, also over a restart of the machine.
 */
export class FailedFiles {
  readonly #note: string;
  #files: readonly FailedFile[];

  /** @throws when the note is there and cannot be read */
  constructor(note: string) {
    this.#note = note;
    this.#files = readNote(note);
  }

  get all(): readonly FailedFile[] {
    return this.#files;
  }

  /** Durably. @throws when it cannot be noted, or when they are too many */
  add(files: readonly FailedFile[]): void {
    const known = new Set(this.#files.map(({ inode }) => inode));
    const all = [...this.#files, ...files.filter(({ inode }) => !known.has(inode))];
    if (all.length > maxFiles) throw new RangeError(`the flush of more than ${maxFiles} files failed`);
    const note = all.map(({ path, inode }) => ({ path, inode: String(inode) }));
    writeDurably(this.#note, JSON.stringify(note), 0o600);
    this.#files = all;
  }

  /** They were replaced. */
  clear(): void {
    if (this.#files.length === 0) return;
    rmSync(this.#note, { force: true });
    syncDirectory(dirname(this.#note));
    this.#files = [];
  }
}

function readNote(note: string): FailedFile[] {
  const text = readIfThere(note);
  if (text === null) return [];
  return noteSchema.parse(JSON.parse(text)).map(({ path, inode }) => ({ path, inode: BigInt(inode) }));
}
