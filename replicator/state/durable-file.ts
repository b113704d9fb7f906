import {
  closeSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { errnoOf } from '../apply/errno.ts';

/** A file appears whole or not at all: temp, fsync, rename, fsync of the folder. */
export function writeDurably(path: string, content: Buffer | string, mode: number): void {
  // A name that no reader takes for the file's, when a crash leaves it behind.
  const temporary = join(dirname(path), `.${basename(path)}.new`);
  const file = openSync(temporary, 'w', mode);
  try {
    fchmodSync(file, mode);
    const bytes = Buffer.from(content);
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  syncDirectory(dirname(path));
}

/** A folder, with all above it that is missing; the names of those that were made survive a power cut. */
export function makeFolderDurably(path: string, mode: number): void {
  const first = mkdirSync(path, { recursive: true, mode });
  if (first === undefined) return;
  const top = resolve(first).length;
  for (let made = resolve(path); made.length >= top; made = dirname(made)) syncDirectory(dirname(made));
}

/** Makes the names in a directory survive a power cut. */
export function syncDirectory(path: string | Buffer): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** The same, without holding up anybody while the disk works. */
export async function writeDurablyInBackground(path: string, content: string, mode: number): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.new`);
  const file = await open(temporary, 'w', mode);
  try {
    await file.chmod(mode);
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const directory = await open(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** The text of a file; null when there is none. @throws when it is there and cannot be read */
export function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}
