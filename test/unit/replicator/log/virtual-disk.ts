import type { LogFile, LogFolder } from '../../../../replicator/log/log-files.ts';
import type { Random } from '../../../sim/timeline.ts';
import { below } from './random-records.ts';

const sectorBytes = 512;

class Inode {
  /** What a process reads. */
  cache: Buffer = Buffer.alloc(0);
  /** What a power cut leaves in any case. */
  disk: Buffer = Buffer.alloc(0);
  /** Sectors written since the last flush: the disk may hold any subset of them. */
  dirty = new Set<number>();
}

/**
 * A folder of a disk that loses what was not flushed: a power cut keeps any subset of unflushed sectors, one of the
 * lengths that a file had since its flush, and the changes of names up to any one of them, in order, as file systems
 * with a journal do.
 */
export class VirtualDisk implements LogFolder {
  readonly path = 'disk';
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  /** Changes of names that are not flushed. */
  #nameChanges: ((names: Map<string, Inode>) => void)[] = [];
  /** Of all files. */
  capacityBytes = Number.POSITIVE_INFINITY;
  /** What flushes, writes or truncates fail with; null: they succeed. */
  failure: { sync?: string; write?: string; truncate?: string } = {};
  /** The next write ends with an error after so many bytes. */
  nextWriteBytes: number | null = null;
  flushes = 0;
  flushesNow = 0;
  mostFlushesAtOnce = 0;
  /** Flushes wait for it. */
  gate: Promise<void> = Promise.resolve();
  openFiles = 0;

  names(): string[] {
    return [...this.#names.keys()];
  }

  create(name: string): LogFile {
    if (this.#names.has(name)) throw systemError('EEXIST');
    this.#failIf('write');
    const inode = new Inode();
    this.#change((names) => names.set(name, inode));
    return this.#file(inode);
  }

  open(name: string): LogFile {
    return this.#file(this.inode(name));
  }

  rename(from: string, to: string): void {
    const inode = this.inode(from);
    this.#change((names) => {
      names.delete(from);
      names.set(to, inode);
    });
  }

  remove(name: string): void {
    this.inode(name);
    this.#change((names) => names.delete(name));
  }

  syncNow(): void {
    throw new Error('the stories of the log flush beside their work');
  }

  async sync(): Promise<void> {
    await this.#flush(() => {
      this.#durableNames = new Map(this.#names);
      this.#nameChanges = [];
    });
  }

  inode(name: string): Inode {
    const inode = this.#names.get(name);
    if (inode === undefined) throw systemError('ENOENT');
    return inode;
  }

  get usedBytes(): number {
    return [...this.#names.values()].reduce((sum, { cache }) => sum + cache.length, 0);
  }

  /** What a file holds, to be changed in place. */
  content(name: string): Buffer {
    return this.inode(name).cache;
  }

  cutOff(name: string, length: number): void {
    const inode = this.inode(name);
    inode.cache = Buffer.from(inode.cache.subarray(0, length));
  }

  /** As after the process died: all that was written is there. */
  afterCrash(): VirtualDisk {
    const disk = new VirtualDisk();
    for (const [name, { cache }] of this.#names) disk.#put(name, Buffer.from(cache));
    return disk;
  }

  afterPowerCut(random: Random): VirtualDisk {
    const names = new Map(this.#durableNames);
    const surviving = this.#nameChanges.slice(0, below(random, this.#nameChanges.length + 1));
    for (const change of surviving) change(names);
    const disk = new VirtualDisk();
    for (const [name, inode] of names) disk.#put(name, whatIsLeft(inode, random));
    return disk;
  }

  #put(name: string, content: Buffer): void {
    const inode = new Inode();
    inode.cache = content;
    inode.disk = Buffer.from(content);
    this.#names.set(name, inode);
    this.#durableNames.set(name, inode);
  }

  #change(change: (names: Map<string, Inode>) => void): void {
    change(this.#names);
    this.#nameChanges.push(change);
  }

  #file(inode: Inode): LogFile {
    this.openFiles += 1;
    let isOpen = true;
    const opened = (): Inode => {
      if (!isOpen) throw systemError('EBADF');
      return inode;
    };
    const read = (position: number, length: number) =>
      Buffer.from(opened().cache.subarray(position, position + length));
    return {
      size: () => opened().cache.length,
      read,
      readLater: async (position, length) => read(position, length),
      write: (bytes, position) => {
        opened();
        this.#failIf('write');
        if (this.nextWriteBytes !== null) {
          writeInto(inode, bytes.subarray(0, this.nextWriteBytes), position);
          this.nextWriteBytes = null;
          throw systemError('EIO');
        }
        const room = this.capacityBytes - (this.usedBytes - inode.cache.length);
        const fits = Math.max(0, Math.min(bytes.length, room - position));
        writeInto(inode, bytes.subarray(0, fits), position);
        if (fits < bytes.length) throw systemError('ENOSPC');
      },
      truncate: (length) => {
        this.#failIf('truncate');
        resize(opened(), length);
      },
      syncNow: () => this.syncNow(),
      sync: () =>
        this.#flush(() => {
          opened();
          inode.disk = Buffer.from(inode.cache);
          inode.dirty.clear();
        }),
      close: () => {
        opened();
        isOpen = false;
        this.openFiles -= 1;
      },
    };
  }

  async #flush(flush: () => void): Promise<void> {
    this.flushes += 1;
    this.flushesNow += 1;
    this.mostFlushesAtOnce = Math.max(this.mostFlushesAtOnce, this.flushesNow);
    try {
      await this.gate;
      this.#failIf('sync');
      flush();
    } finally {
      this.flushesNow -= 1;
    }
  }

  #failIf(kind: 'sync' | 'write' | 'truncate'): void {
    const code = this.failure[kind];
    if (code !== undefined) throw systemError(code);
  }
}

export function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(code), { code, errno: -1 });
}

function writeInto(inode: Inode, bytes: Buffer, position: number): void {
  if (bytes.length === 0) return;
  if (position + bytes.length > inode.cache.length) resize(inode, position + bytes.length);
  bytes.copy(inode.cache, position);
  markDirty(inode, position, position + bytes.length);
}

function resize(inode: Inode, length: number): void {
  const before = inode.cache.length;
  const cache = Buffer.alloc(length);
  inode.cache.copy(cache);
  inode.cache = cache;
  markDirty(inode, Math.min(before, length), Math.max(before, length));
}

function markDirty(inode: Inode, from: number, to: number): void {
  for (let sector = Math.floor(from / sectorBytes); sector * sectorBytes < to; sector += 1)
    inode.dirty.add(sector);
}

function whatIsLeft({ cache, disk, dirty }: Inode, random: Random): Buffer {
  const left = Buffer.alloc(Math.max(cache.length, disk.length));
  disk.copy(left);
  for (const sector of dirty) {
    const from = sector * sectorBytes;
    if (from >= left.length || below(random, 2) === 0) continue;
    left.subarray(from, from + sectorBytes).fill(0);
    left.set(cache.subarray(from, from + sectorBytes), from);
  }
  return left.subarray(0, below(random, 2) === 0 ? disk.length : cache.length);
}
