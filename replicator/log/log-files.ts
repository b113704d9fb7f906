import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  read,
  readdirSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** What the log needs of a file. Node's errors with their codes (ENOSPC, EIO, ...) are what it throws. */
export interface LogFile {
  size(): number;
  /** All of it, or an error; then a part may have been written. */
  write(bytes: Buffer, position: number): void;
  /** Fewer bytes at the end of the file. */
  read(position: number, length: number): Buffer;
  /** The same, without holding up the caller's thread. */
  readLater(position: number, length: number): Promise<Buffer>;
  truncate(length: number): void;
  /** fdatasync, in another thread. Not to be tried again when it failed (P6). */
  sync(): Promise<void>;
  /** The same, in this thread. */
  syncNow(): void;
  close(): void;
}

/** The folder of one log. */
export interface LogFolder {
  /** For messages. */
  readonly path: string;
  names(): string[];
  /** For reading and writing; the name must be free. */
  create(name: string): LogFile;
  open(name: string): LogFile;
  rename(from: string, to: string): void;
  remove(name: string): void;
  /** Makes the names durable. */
  sync(): Promise<void>;
  syncNow(): void;
}

/** The disk, or this user's share of it, is full. */
export function isFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT';
}

const readAsync = promisify(read);
const fdatasyncAsync = promisify(fdatasync);

class DiskFile implements LogFile {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  size(): number {
    return fstatSync(this.#fd).size;
  }

  write(bytes: Buffer, position: number): void {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#fd, bytes, done, bytes.length - done, position + done);
    }
  }

  read(position: number, length: number): Buffer {
    const buffer = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const count = readSync(this.#fd, buffer, done, length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return buffer.subarray(0, done);
  }

  async readLater(position: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await readAsync(this.#fd, buffer, done, length - done, position + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return buffer.subarray(0, done);
  }

  truncate(length: number): void {
    ftruncateSync(this.#fd, length);
  }

  async sync(): Promise<void> {
    await fdatasyncAsync(this.#fd);
  }

  syncNow(): void {
    fdatasyncSync(this.#fd);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** A folder of the file system. It must exist; files are made with mode 0600. */
export class DiskFolder implements LogFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  names(): string[] {
    return readdirSync(this.path);
  }

  create(name: string): LogFile {
    return new DiskFile(openSync(join(this.path, name), 'wx+', 0o600));
  }

  open(name: string): LogFile {
    return new DiskFile(openSync(join(this.path, name), 'r+'));
  }

  rename(from: string, to: string): void {
    renameSync(join(this.path, from), join(this.path, to));
  }

  remove(name: string): void {
    unlinkSync(join(this.path, name));
  }

  syncNow(): void {
    const folder = openSync(this.path, 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  }

  async sync(): Promise<void> {
    const folder = await open(this.path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}
