import { DirtyFile, type DirtyFiles, type FlushScope } from './dirty-files.ts';
import { FlushQueue } from './flush-queue.ts';
import { type Flushable, FlushFailure } from './flushable.ts';

/** The calls that reach the disk, off the ordering thread. */
export interface FlushCalls {
  fsync(fd: number): Promise<void>;
  fdatasync(fd: number): Promise<void>;
}

export interface FlushLimits {
  /** Flushes at a time. */
  readonly atOnce: number;
  /** A streaming file is flushed behind once so many bytes wait. */
  readonly portionBytes: number;
  /** What a barrier flushes is large from here on. */
  readonly largeBytes: number;
  /** Bytes that may wait, of one file and of all. */
  readonly maxFileBytes: number;
  readonly maxBytes: number;
  /** Descriptors that may wait for a flush: closed files and directories. From half of it on they are flushed unasked. */
  readonly maxKept: number;
}

export const defaultFlushLimits: FlushLimits = {
  atOnce: 3,
  portionBytes: 4 * 2 ** 20,
  largeBytes: 2 ** 20,
  maxFileBytes: 16 * 2 ** 20,
  maxBytes: 64 * 2 ** 20,
  maxKept: 512,
};

/** What is to be replaced by a new file: its fsync failed. `inode` is null for a directory, whose names are in doubt. */
export interface FailedFlush {
  readonly path: Buffer;
  readonly inode: bigint | null;
  readonly cause: unknown;
}

/**
 * Brings to the disk what barriers wait for (P3), and what streams, behind it. Who waits for the same thing shares its
 * flush. Of a failed fsync the file is never synced again as if it were good (P6): `onFailed` says which one is to be
 * replaced, and every barrier that needs it fails.
 */
export class Flusher {
  readonly #dirty: DirtyFiles;
  readonly #calls: FlushCalls;
  readonly #limits: FlushLimits;
  readonly #queue: FlushQueue;
  readonly #onFailed: (failed: FailedFlush) => void;
  readonly #onRoom: () => void;
  readonly #behind = new Set<Flushable>();
  #unflushedBytes = 0;
  #isSweeping = false;
  readonly #running = new Set<Promise<void>>();

  constructor(
    dirty: DirtyFiles,
    calls: FlushCalls,
    events: { onFailed: (failed: FailedFlush) => void; onRoom: () => void },
    limits: FlushLimits = defaultFlushLimits,
  ) {
    this.#dirty = dirty;
    this.#calls = calls;
    this.#limits = limits;
    this.#queue = new FlushQueue(limits.atOnce);
    this.#onFailed = events.onFailed;
    this.#onRoom = events.onRoom;
    dirty.tell({
      onWritten: (file, bytes) => this.#written(file, bytes),
      onKept: () => {
        if (this.#dirty.kept >= this.#limits.maxKept / 2) queueMicrotask(() => this.#flushKept());
      },
      onReleased: (bytes) => {
        this.#unflushedBytes -= bytes;
      },
    });
  }

  /**
   * Resolves when what these records changed is on the disk, with the directories that lead there. To be called in the
   * turn in which they were applied.
   * @throws FlushFailure
   */
  async barrier(scope: FlushScope): Promise<void> {
    await this.#all(this.#dirty.within(scope));
  }

  /** Everything that was changed through the applier so far. @throws FlushFailure */
  async everything(): Promise<void> {
    await this.#all(this.#dirty.dirty);
  }

  /** Bytes that may be written to this file now. `onRoom` tells when more may be. */
  roomFor(file: DirtyFile): number {
    if (this.#dirty.kept >= this.#limits.maxKept) return 0;
    const { maxFileBytes, maxBytes } = this.#limits;
    return Math.max(0, Math.min(maxFileBytes - file.unflushedBytes, maxBytes - this.#unflushedBytes));
  }

  /** Whether names may be made, and files opened: descriptors wait for a flush within bounds. */
  get hasRoom(): boolean {
    return this.#dirty.kept < this.#limits.maxKept;
  }

  get unflushedBytes(): number {
    return this.#unflushedBytes;
  }

  /** Waits for what is under way, and closes every descriptor. Nothing is to be applied any more. */
  async close(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled([...this.#running]);
    this.#dirty.closeAll();
  }

  async #all(flushables: Iterable<Flushable>): Promise<void> {
    const results = await Promise.allSettled([...flushables].map((flushable) => this.#flush(flushable)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  #flush(flushable: Flushable): Promise<void> {
    if (flushable.failure !== null) return Promise.reject(flushable.failure);
    if (!flushable.isDirty) return Promise.resolve();
    if (flushable.next !== null) return flushable.next;
    const { underWay } = flushable;
    if (underWay?.changes === flushable.changes) return underWay.ended;
    const isLarge = flushable.unflushedBytes >= this.#limits.largeBytes;
    let begunAt: number | null = null;
    const ended = this.#run(flushable, isLarge, async () => {
      const { changes } = flushable;
      begunAt = changes;
      flushable.next = null;
      if (!flushable.isDirty) return;
      try {
        await this.#covering(flushable, () => this.#calls.fsync(flushable.fd));
        flushable.flushed(changes);
      } finally {
        if (flushable.underWay?.ended === ended) flushable.underWay = null;
      }
    });
    // It begins within the call when there is a place: then it covers nothing that is changed from now on.
    if (begunAt === null) flushable.next = ended;
    else flushable.underWay = { changes: begunAt, ended };
    return ended;
  }

  #written(file: DirtyFile, bytes: number): void {
    this.#unflushedBytes += bytes;
    if (file.unflushedBytes - file.flushingBytes < this.#portionBytes || this.#behind.has(file)) return;
    queueMicrotask(() => this.#flushBehind(file));
  }

  /** The data of a file that streams, in portions: a barrier at its end finds little left. */
  #flushBehind(file: Flushable): void {
    const waiting = file.unflushedBytes - file.flushingBytes;
    if (waiting < this.#portionBytes || this.#behind.has(file)) return;
    if (file.failure !== null || file.isClosed) return;
    this.#behind.add(file);
    this.#run(file, true, () => this.#covering(file, () => this.#calls.fdatasync(file.fd)))
      .finally(() => this.#behind.delete(file))
      .then(
        () => this.#flushBehind(file),
        () => {},
      );
  }

  /** Many small files may fill the room together: from half of it on, each is flushed as it is written. */
  get #portionBytes(): number {
    const { portionBytes, maxFileBytes, maxBytes } = this.#limits;
    return this.#unflushedBytes >= maxBytes / 2 ? 1 : Math.min(portionBytes, maxFileBytes / 2);
  }

  /** So that descriptors for closed files and directories do not pile up where nobody asks for a barrier. */
  #flushKept(): void {
    if (this.#isSweeping || this.#dirty.kept < this.#limits.maxKept / 2) return;
    const dirty = this.#dirty.keptNow.filter(({ isDirty, failure }) => isDirty && failure === null);
    if (dirty.length === 0) return;
    this.#isSweeping = true;
    // Who fails is told by `onFailed`.
    void this.#all(dirty)
      .catch(() => {})
      .then(() => {
        this.#isSweeping = false;
        this.#flushKept();
      });
  }

  #run(flushable: Flushable, isLarge: boolean, work: () => Promise<void>): Promise<void> {
    flushable.pending += 1;
    const running = this.#queue
      .run(isLarge, async () => {
        if (flushable.failure !== null) throw flushable.failure;
        await work();
      })
      .finally(() => {
        flushable.pending -= 1;
        this.#dirty.flushEnded(flushable);
        this.#running.delete(running);
        this.#onRoom();
      });
    this.#running.add(running);
    return running;
  }

  /** The bytes that were written before it began no longer wait once it ends. */
  async #covering(flushable: Flushable, flush: () => Promise<void>): Promise<void> {
    const bytes = flushable.unflushedBytes - flushable.flushingBytes;
    flushable.flushingBytes += bytes;
    try {
      await flush();
    } catch (cause) {
      throw this.#failed(flushable, cause);
    } finally {
      flushable.flushingBytes -= bytes;
      flushable.unflushedBytes -= bytes;
      this.#unflushedBytes -= bytes;
    }
  }

  #failed(flushable: Flushable, cause: unknown): FlushFailure {
    if (flushable.failure !== null) return flushable.failure;
    const failure = new FlushFailure(flushable.path, cause);
    flushable.failure = failure;
    this.#dirty.failedNow(flushable);
    this.#onFailed({
      path: flushable.path,
      inode: flushable instanceof DirtyFile ? flushable.inode : null,
      cause,
    });
    return failure;
  }
}
