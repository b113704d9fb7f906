import { hash } from 'node:crypto';
import type { Want } from '../../../../replicator/core/answer-taker.ts';
import type { EntriesPage, NameAnswer } from '../../../../replicator/core/answers.ts';
import { changedNames } from '../../../../replicator/core/changed-names.ts';
import { DirectoryListing } from '../../../../replicator/core/directory-listing.ts';
import type { EpochTable, LogPosition } from '../../../../replicator/core/position.ts';
import type { LogRecord } from '../../../../replicator/core/record.ts';
import type { Inode } from '../../../../replicator/core/tree.ts';
import {
  isWithin,
  joinPath,
  nameOf,
  parentOf,
  type TreePath,
} from '../../../../replicator/core/uncertain-names.ts';
import { emptyChain, encodeBatch, readBatch } from '../../../../replicator/log/batch.ts';
import { type LoggedBatch, loggedBatch } from '../../../../replicator/log/batch-reader.ts';
import type {
  Flushed,
  FollowerPort,
  LeaderPort,
  OpenContent,
  OpenDirectory,
  WriteData,
} from '../../../../replicator/peers/ports.ts';
import { EngineHost } from '../../../sim/engine/host.ts';
import type { Random } from '../../../sim/timeline.ts';

/** Something that takes time: it happens in two steps, each when the story says so. */
interface Slow {
  run(): void;
  fail(error: Error): void;
}

/** A host of the model behind the ports: its log as batches, and all that is asynchronous under the story's control. */
export class ModelEngine implements LeaderPort, FollowerPort {
  readonly host: EngineHost;
  readonly #random: Random;
  #batches: LoggedBatch[] = [];
  #baseChain: Buffer = emptyChain;
  readonly #listeners = new Set<(batch: LoggedBatch, data: WriteData | null) => void>();
  readonly #listings = new Set<{ path: TreePath; listing: DirectoryListing; isThere: boolean }>();
  epoch = 0;
  /** What is under way. */
  readonly slow: Slow[] = [];
  onFlushed: (flushed: Flushed) => void = () => {};
  openFiles = 0;
  /** What happened how often. */
  readonly counts = {
    withData: 0,
    withoutData: 0,
    pages: 0,
    contents: 0,
    same: 0,
    different: 0,
    cuts: 0,
    anew: 0,
    flushed: 0,
  };

  constructor(id: string, random: Random) {
    this.host = new EngineHost(id, new Set());
    this.#random = random;
  }

  get position(): LogPosition {
    return this.host.last;
  }

  get chain(): Buffer {
    return this.#batches.at(-1)?.chain ?? this.#baseChain;
  }

  get epochs(): EpochTable {
    return this.host.log.table;
  }

  get start(): LogPosition {
    return this.host.log.base;
  }

  chainAt(sequence: number): Promise<Buffer | null> {
    const at = this.#batches.find(({ last }) => last === sequence)?.chain;
    const found = at ?? (sequence === this.start.sequence ? this.#baseChain : null);
    return this.#later(() => found);
  }

  /** Orders records that the host has consumed. */
  ordered(epoch: number, records: readonly LogRecord[], data: WriteData): void {
    const last = this.position.sequence - records.length;
    const after = { epoch, sequence: last };
    const batch = loggedBatch(encodeBatch(epoch, after, this.chain, records));
    this.#batches.push(batch);
    for (const record of records) this.#touch(record);
    for (const listener of this.#listeners) listener(batch, data.length === 0 ? null : data);
  }

  async *read(from: number): AsyncGenerator<LoggedBatch> {
    if (from <= this.start.sequence) throw new Error('the log does not reach back');
    let next = from;
    for (;;) {
      const batch = this.#batches.find(({ first, last }) => first <= next && next <= last);
      if (batch === undefined) return;
      await this.#later(() => {});
      next = batch.last + 1;
      yield batch;
    }
  }

  subscribe(listener: (batch: LoggedBatch, data: WriteData | null) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  answerName(path: TreePath): NameAnswer {
    return this.host.answerName(path);
  }

  openDirectory(path: TreePath): Promise<OpenDirectory | null> {
    const { disk } = this.host;
    const isDirectory = path === '' || disk.find(path)?.kind === 'directory';
    if (!isDirectory) return this.#later(() => null);
    const open = { path, listing: new DirectoryListing(), isThere: true };
    this.#listings.add(open);
    const names = disk.entries(path);
    return this.#later(() => {
      open.listing.complete(names);
      return {
        page: (after, limit) =>
          open.isThere
            ? open.listing.page(
                after,
                Math.min(limit, 1 + this.#random.below(3)),
                (name) => disk.find(joinPath(path, name)) !== null,
              )
            : null,
        close: () => this.#listings.delete(open),
      };
    });
  }

  openContent(path: TreePath): OpenContent | null {
    const { disk } = this.host;
    const found = disk.find(path);
    if (found?.kind !== 'file') return null;
    const { inode } = found;
    this.openFiles += 1;
    const read = (from: number, to: number) => {
      let data: Uint8Array | null = null;
      return this.#later(
        () => Buffer.from(data ?? disk.read(inode, from, to)),
        () => {
          data = disk.read(inode, from, to);
        },
      );
    };
    return {
      read,
      digest: async (from, to) => {
        const data = await read(from, to);
        return { bytes: data.length, digest: hash('sha256', data, 'buffer') };
      },
      close: () => {
        this.openFiles -= 1;
      },
    };
  }

  cutTo({ sequence }: LogPosition): Promise<void> {
    return this.#later(() => {
      if (sequence < this.position.sequence) this.counts.cuts += 1;
      this.host.cutTo(sequence);
      // As the log on disk does: what it is cut to, or begun with, is durable.
      this.host.log.flush();
      this.#keepBatches();
    });
  }

  beginAnew(position: LogPosition, chain: Buffer, epochs: EpochTable): Promise<void> {
    return this.#later(() => {
      this.counts.anew += 1;
      this.host.beginAnew(position, epochs);
      this.host.log.flush();
      this.#batches = [];
      this.#baseChain = chain;
    });
  }

  consume(payload: Buffer, data: WriteData): void {
    const { epoch, first, records } = readBatch(payload);
    let writes = 0;
    for (const [index, record] of records.entries()) {
      if (record.kind === 'unknown') throw new Error('not of this model');
      const bytes = record.kind === 'write' ? (data[writes++] ?? null) : null;
      if (record.kind === 'write') this.counts[bytes === null ? 'withoutData' : 'withData'] += 1;
      this.host.consume({ epoch, sequence: first + index }, record, bytes);
    }
    this.#batches.push(loggedBatch(payload));
  }

  onName(path: TreePath, answer: NameAnswer): void {
    this.host.onName(path, answer);
  }

  onEntries(path: TreePath, page: EntriesPage | null): void {
    if (page !== null && page.after !== null) this.counts.pages += 1;
    this.host.onEntries(path, page);
  }

  onOpened(path: TreePath): Inode | null {
    return this.host.replica.onOpened(path);
  }

  onContent(inode: Inode, openedAt: number, offset: number, data: Buffer): void {
    this.counts.contents += 1;
    this.host.onContent(inode, openedAt, offset, data);
  }

  onDigest(
    inode: Inode,
    openedAt: number,
    { from, to, blockBytes }: { from: number; to: number; blockBytes: number },
    digests: readonly Buffer[],
  ): Promise<void> {
    const { disk } = this.host;
    let same: boolean[] = [];
    return this.#later(
      () => {
        for (const [index, isSame] of same.entries()) {
          const start = from + index * blockBytes;
          this.counts[isSame ? 'same' : 'different'] += 1;
          this.host.onCompared(inode, openedAt, start, Math.min(start + blockBytes, to), isSame);
        }
      },
      () => {
        same = digests.map((digest, index) => {
          const start = from + index * blockBytes;
          if (disk.sizeOf(inode) === undefined) return false;
          const data = disk.read(inode, start, Math.min(start + blockBytes, to));
          return hash('sha256', data, 'buffer').equals(digest);
        });
      },
    );
  }

  /** Whether it takes more; a test that says no calls `roomListeners` later. */
  hasRoom = true;
  readonly roomListeners = new Set<() => void>();

  onRoom(proceed: () => void): () => void {
    this.roomListeners.add(proceed);
    return () => this.roomListeners.delete(proceed);
  }

  wants(limit: number): Want[] {
    return this.host.replica.wants().take(limit).toArray();
  }

  flush(): Promise<Flushed> {
    const { host } = this;
    const flushed = { position: host.last, complete: host.replica.isComplete };
    host.beginFlush();
    return this.#later(
      () => {
        while (!host.endFlush());
        if (flushed.complete) this.counts.flushed += 1;
        this.onFlushed(flushed);
        return flushed;
      },
      () => host.endFlush(),
    );
  }

  /** The model's disks flush everything. */
  async barrier(): Promise<boolean> {
    const { complete } = await this.flush();
    return complete;
  }

  crash(): void {
    this.#end();
    this.host.crash();
  }

  powerCut(): void {
    this.#end();
    this.host.powerCut(this.#random);
    this.#toBatchEnd();
  }

  restart(): void {
    this.host.restart();
    this.#toBatchEnd();
  }

  /** The leadership is over. */
  stopLeading(): void {
    this.#listeners.clear();
    this.#listings.clear();
  }

  trimLog(): void {
    const { chain } = this;
    this.host.trimLog();
    this.#batches = [];
    this.#baseChain = chain;
  }

  /** Changes what the log says of its history. */
  damageChain(): void {
    const last = this.#batches.pop();
    if (last !== undefined) this.#batches.push({ ...last, chain: Buffer.alloc(16, 7) });
  }

  #end(): void {
    this.stopLeading();
    for (const { fail } of this.slow.splice(0)) fail(new Error('the process died'));
  }

  /** A part of a batch is none. */
  #toBatchEnd(): void {
    this.#keepBatches();
    const end = this.#batches.at(-1)?.last ?? this.start.sequence;
    if (end < this.position.sequence) this.host.cutTo(end);
  }

  #keepBatches(): void {
    this.#batches = this.#batches.filter(({ last }) => last <= this.position.sequence);
  }

  #touch(record: LogRecord): void {
    const paths = changedNames(record).map((path) => path.toString('latin1'));
    for (const open of this.#listings) {
      for (const path of paths) {
        if (parentOf(path) === open.path) open.listing.touch(nameOf(path));
        if (isWithin(open.path, path)) open.isThere = false;
      }
    }
  }

  /** @param begin runs some steps before the end does */
  #later<T>(end: () => T, begin: () => void = () => {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let isBegun = false;
      const slow: Slow = {
        run: () => {
          try {
            if (!isBegun) {
              isBegun = true;
              begin();
              this.slow.push(slow);
            } else resolve(end());
          } catch (error) {
            reject(error);
          }
        },
        fail: reject,
      };
      this.slow.push(slow);
    });
  }
}
