import { closeSync, type Dir, fstatSync, lstatSync, readlinkSync } from 'node:fs';
import { codeOf } from '#contracts/errors.ts';
import type { OpenHandle } from '#contracts/journal/message.ts';
import { maxOpenHandles, statusCode } from './protocol.ts';
import { StatusError } from './status-error.ts';

export interface FileHandle {
  readonly kind: 'file';
  readonly fd: number;
  /** Its number in the journal; null when it is open for reading alone. */
  readonly journalHandle: number | null;
  readonly append: boolean;
  /** Relative to the files root, as opened; for the audit log. */
  readonly path: Buffer;
  /** The directory in which opening may have made an entry, held open to be synced with the file. */
  readonly directoryFd: number | null;
  readonly openedAtMs: number;
  bytesRead: number;
  bytesWritten: number;
  /** Why a WRITE to it was refused last. */
  lastRefusal: string;
}

export interface DirectoryHandle {
  readonly kind: 'directory';
  /** Reads the names piece by piece: a directory may hold millions. */
  readonly entries: Dir;
  /** A handle of its own, since names are looked up while they are sent. */
  readonly fd: number;
}

export type WritableFile = FileHandle & { readonly journalHandle: number };

export type Handle = FileHandle | DirectoryHandle;

let lastJournalHandle = 0;

/** Numbers for handles in the journal, unique in this process. */
export function nextJournalHandle(): number {
  lastJournalHandle += 1;
  return lastJournalHandle;
}

/** The open handles of one session: 4 bytes each, as the client sees them. */
export class Handles {
  readonly #open = new Map<number, Handle>();
  #last = 0;

  add(handle: Handle): Buffer {
    this.#last = (this.#last + 1) >>> 0;
    this.#open.set(this.#last, handle);
    const name = Buffer.allocUnsafe(4);
    name.writeUInt32BE(this.#last);
    return name;
  }

  /** Throws before a file is opened for which there is no room. */
  assertRoom(): void {
    if (this.#open.size >= maxOpenHandles) throw new StatusError(statusCode.failure, 'Too many open handles');
  }

  find(name: Buffer): Handle | undefined {
    return name.length === 4 ? this.#open.get(name.readUInt32BE(0)) : undefined;
  }

  get(name: Buffer): Handle {
    const handle = this.find(name);
    if (handle === undefined) throw new StatusError(statusCode.failure, 'The handle is not open');
    return handle;
  }

  file(name: Buffer): FileHandle {
    const handle = this.get(name);
    if (handle.kind !== 'file') throw new StatusError(statusCode.failure, 'The handle is a directory');
    return handle;
  }

  writableFile(name: Buffer): WritableFile {
    const handle = this.file(name);
    if (handle.journalHandle === null)
      throw new StatusError(statusCode.permissionDenied, 'The handle is not open for writing');
    return handle as WritableFile;
  }

  directory(name: Buffer): DirectoryHandle {
    const handle = this.get(name);
    if (handle.kind !== 'directory') throw new StatusError(statusCode.failure, 'The handle is no directory');
    return handle;
  }

  remove(name: Buffer): void {
    this.#open.delete(name.readUInt32BE(0));
  }

  drop(handle: Handle): void {
    for (const [number, open] of this.#open) if (open === handle) this.#open.delete(number);
  }

  get files(): FileHandle[] {
    return [...this.#open.values()].filter((handle) => handle.kind === 'file');
  }

  /** The session is over. */
  closeAll(): void {
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const handle of open) closeHandle(handle);
  }
}

export function closeHandle(handle: Handle): void {
  closeSync(handle.fd);
  if (handle.kind === 'directory') handle.entries.closeSync();
  else if (handle.directoryFd !== null) closeSync(handle.directoryFd);
}

/** Where the file of a handle is now, relative to the files root; empty when that name is gone. */
export function openHandleOf({ fd, journalHandle }: WritableFile, filesRoot: string): OpenHandle {
  const path = readlinkSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' });
  const prefix = Buffer.from(`${filesRoot}/`);
  const isThere = path.subarray(0, prefix.length).equals(prefix) && names(path, fd);
  return { handle: journalHandle, path: isThere ? path.subarray(prefix.length) : Buffer.alloc(0) };
}

/** The kernel writes "NAME (deleted)" for a removed name, also while the file goes on under another one. */
function names(path: Buffer, fd: number): boolean {
  const { ino, dev } = fstatSync(fd);
  try {
    const there = lstatSync(path);
    return there.ino === ino && there.dev === dev;
  } catch (error) {
    if (saysGone.has(codeOf(error))) return false;
    throw error;
  }
}

/**
 * What lstat says of a name that is gone: also where its folder has become a file or a link, and where the kernel's
 * " (deleted)" makes the name too long to be one.
 */
const saysGone: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']);
