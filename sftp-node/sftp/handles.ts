import { closeSync, type Dir } from 'node:fs';
import { maxOpenHandles, statusCode } from './protocol.ts';
import { StatusError } from './status-error.ts';

export interface FileHandle {
  readonly kind: 'file';
  /** For what is read of it; null when it was opened for writing and its name was gone by then. */
  readonly fd: number | null;
  /** Its number at the engine; null when it is open for reading alone. */
  readonly engineHandle: number | null;
  /** Relative to the files root, as opened; for the audit log. */
  readonly path: Buffer;
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

export type WritableFile = FileHandle & { readonly engineHandle: number };

export type Handle = FileHandle | DirectoryHandle;

/** The open handles of one session: 4 bytes each, as the client sees them. */
export class Handles {
  readonly #open = new Map<number, Handle>();
  #last = 0;
  #isClosed = false;

  /** The session is over: what is opened now is to be closed at once. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

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
    if (handle.engineHandle === null)
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

  get files(): FileHandle[] {
    return [...this.#open.values()].filter((handle) => handle.kind === 'file');
  }

  /** The session is over. */
  closeAll(): void {
    this.#isClosed = true;
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const handle of open) closeHandle(handle);
  }
}

export function closeHandle(handle: Handle): void {
  if (handle.fd !== null) closeSync(handle.fd);
  if (handle.kind === 'directory') handle.entries.closeSync();
}
