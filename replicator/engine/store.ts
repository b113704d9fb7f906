import { HoldfastError } from '#contracts/errors.ts';
import type { DirtyFile, DirtyFiles, FlushScope } from '../apply/dirty-files.ts';
import { errnoOf } from '../apply/errno.ts';
import type { Flusher } from '../apply/flusher.ts';
import type { Places } from '../apply/open-file.ts';
import type { LocalRecord } from '../core/local-record.ts';
import type { LogPosition } from '../core/position.ts';
import type { LogRecord } from '../core/record.ts';
import type { Replica, ReplicaState } from '../core/replica.ts';
import { readBatch } from '../log/batch.ts';
import type { LoggedBatch } from '../log/batch-reader.ts';
import type { OpenHandle } from '../log/handle-table.ts';
import type { OperationLog } from '../log/operation-log.ts';
import type { DecodedRecord } from '../log/record-codec.ts';
import type { Flushed, WriteData } from '../peers/ports.ts';
import { toKey } from '../tree/path.ts';
import type { Activity } from './activity.ts';
import { encodeState } from './checkpoint-state.ts';
import type { DiskTree } from './disk-tree.ts';
import type { FailedFiles } from './failed-files.ts';
import { doubtRecords, type HostNotes } from './host-notes.ts';

export interface StoreParts {
  log: OperationLog;
  replica: Replica;
  activity: Activity;
  readonly notes: HostNotes;
  readonly tree: DiskTree;
  readonly places: Places;
  readonly dirty: DirtyFiles;
  readonly flusher: Flusher;
  /** A segment of the log that is longer is followed by a new one. */
  readonly segmentBytes: number;
  /** Brings to the disk what an earlier process left in the page cache. */
  readonly flushInherited: () => Promise<void>;
  readonly failedFiles: FailedFiles;
  /** The engine is to be given up: what it wrote may not be what it reads. */
  readonly onFatal: (error: unknown) => void;
}

/**
 * What a host has: the log, the tree that its records made, and what is doubted of it. Records are logged before they are
 * made; what follows from making them is noted with the next entry, so that after the process died the records behind the
 * last note are doubted and nothing else is. Nothing here waits for a disk but the flushes.
 */
export class Store {
  readonly #parts: StoreParts;
  readonly #listeners = new Set<(records: readonly DecodedRecord[]) => void>();
  /** What came from a leader outside of its stream of records, or was found to be the same there. */
  comparedBytes = 0;
  /** How often the log was cut: a flush that began before says nothing of what came after. */
  #cuts = 0;
  /** The last record of which the log says that it was made. */
  #notedMade = -1;
  #inherited: Promise<void> | null = null;
  #isNoteDue = false;
  #hasEnded = false;
  /** The log is being cut, or begun anew: what is to be noted waits, and is then in its first segment. */
  #isReplacing = false;
  #checkpointing: Promise<void> = Promise.resolve();

  constructor(parts: StoreParts) {
    this.#parts = parts;
  }

  get log(): OperationLog {
    return this.#parts.log;
  }

  get replica(): Replica {
    return this.#parts.replica;
  }

  get tree(): DiskTree {
    return this.#parts.tree;
  }

  get activity(): Activity {
    return this.#parts.activity;
  }

  get places(): Places {
    return this.#parts.places;
  }

  get flusher(): Flusher {
    return this.#parts.flusher;
  }

  get failedFiles(): FailedFiles {
    return this.#parts.failedFiles;
  }

  /** Whether all is here that the log says (R5, but for what is not flushed), and nothing of it is to be replaced (P6). */
  get isComplete(): boolean {
    return this.replica.isComplete && this.failedFiles.all.length === 0;
  }

  /** As Applier.fileOf: null for a file that is not known here, undefined when the handle is not open. */
  fileOf(handle: number): DirtyFile | null | undefined {
    const open = this.replica.handles.get(handle);
    if (open === undefined) return undefined;
    return open.inode === null ? null : this.tree.fileOf(open.inode);
  }

  /** Called with the records of each batch before they are made. */
  onRecords(listener: (records: readonly DecodedRecord[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Logs the leader's next records. They are to be made (`make`) in the same turn.
   * @throws as OperationLog.append: nothing was logged
   */
  order(records: readonly LogRecord[]): LoggedBatch {
    this.#rotateWhenLong();
    const { sequence } = this.log.position;
    const batch = this.log.append(records, this.#due());
    this.#noted(sequence);
    return batch;
  }

  /** @throws as OperationLog.appendBatch: nothing was logged */
  orderBatch(payload: Buffer): ReturnType<OperationLog['appendBatch']> {
    this.#rotateWhenLong();
    const { sequence } = this.log.position;
    const batch = this.log.appendBatch(payload, this.#due());
    this.#noted(sequence);
    return batch;
  }

  /**
   * Makes the records of a batch.
   * @param data the bytes of its writes, in order
   * @returns whether all of them could be made: what failed is doubted
   */
  make(first: number, records: readonly DecodedRecord[], data: WriteData): boolean {
    for (const listener of this.#listeners) listener(records);
    let made = true;
    let writes = 0;
    for (const [index, record] of records.entries()) {
      if (record.kind === 'unknown') continue;
      const bytes = record.kind === 'write' ? (data[writes++] ?? null) : null;
      if (!this.#makeOne(first + index, record, bytes)) made = false;
    }
    return made;
  }

  /** What an answer changed is noted soon: what is lost with the process is asked for again. */
  noteSoon(): void {
    if (this.#isNoteDue) return;
    this.#isNoteDue = true;
    setImmediate(() => {
      this.#isNoteDue = false;
      if (!this.#hasEnded) this.#orFatal(() => this.note());
    });
  }

  note(): void {
    if (this.#isNoted || this.#isReplacing) return;
    this.#rotateWhenLong();
    // The rotation may have said it.
    if (this.#isNoted) return;
    this.log.appendLocal(this.#due());
    this.#noted(this.log.position.sequence);
  }

  get #isNoted(): boolean {
    return this.#parts.notes.isEmpty && this.#notedMade === this.log.position.sequence;
  }

  #noted(made: number): void {
    this.#parts.notes.clear();
    this.#notedMade = made;
  }

  /** Has all that was logged and made before the call on the disk. */
  async flush(): Promise<Flushed> {
    this.note();
    return this.#flushing(this.flusher.everything());
  }

  /** The same of the log, and of what the scope names. To be called in the turn in which that was made. */
  barrier(scope: FlushScope): Promise<Flushed> {
    return this.#flushing(this.flusher.barrier(scope));
  }

  async #flushing(files: Promise<void>): Promise<Flushed> {
    const { position } = this.log;
    const complete = this.isComplete;
    const cuts = this.#cuts;
    await Promise.all([this.flushLog(), files, this.inherited()]);
    return { position, complete: complete && cuts === this.#cuts };
  }

  /** @throws HoldfastError LOG_FLUSH_FAILED: then the engine is to be given up */
  async flushLog(): Promise<void> {
    try {
      await this.log.flush();
    } catch (error) {
      if (!this.#hasEnded) this.giveUp(error);
      throw error;
    }
  }

  /** What an earlier process left in the page cache is on the disk. */
  inherited(): Promise<void> {
    this.#inherited ??= this.#parts.flushInherited();
    return this.#inherited;
  }

  /** Makes what is active few again. */
  checkpointWhenDue(): void {
    if (!this.activity.wantsCheckpoint || this.#hasEnded || this.#isReplacing) return;
    this.#checkpointing = this.#checkpoint().catch((error: unknown) => {
      if (!this.#hasEnded) this.#parts.onFatal(error);
    });
  }

  /** What went wrong leaves it open what was written. */
  giveUp(error: unknown): void {
    this.#parts.onFatal(error);
  }

  /** Nothing is to be written any more. */
  end(): void {
    this.#hasEnded = true;
  }

  /** What was under way has ended. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#checkpointing, this.#inherited]);
  }

  /** Takes back what lies behind a position where a batch ends (R6). */
  async cutTo(common: number, epoch: number): Promise<void> {
    await this.#replacing(() => this.#cutTo({ epoch, sequence: common }));
  }

  async #cutTo(position: LogPosition): Promise<void> {
    const { sequence: common } = position;
    const handles = handlesOf(await this.log.handlesAt(position));
    const open = new Map(handles.map((handle) => [handle.handle, handle]));
    this.#cuts += 1;
    for await (const batch of this.log.read(common + 1)) {
      const { records } = readBatch(batch.payload);
      for (const record of records) if (record.kind !== 'unknown') this.replica.doubtOwn(record, open);
    }
    this.replica.forgetAfter(common, handles);
    await this.log.truncateTo(position, encodeState(this.#state(common)));
    this.#noted(common);
  }

  /** Goes on with another log and all that is known of the tree with it. */
  async replaceLog(begin: () => Promise<{ log: OperationLog; replica: Replica }>): Promise<void> {
    await this.#replacing(async () => {
      const { log, replica } = await begin();
      this.#cuts += 1;
      this.#parts.log = log;
      this.#parts.replica = replica;
      this.#noted(log.position.sequence);
    });
  }

  async #replacing(work: () => Promise<void>): Promise<void> {
    await this.#checkpointing;
    this.#isReplacing = true;
    try {
      await work();
    } finally {
      this.#isReplacing = false;
    }
  }

  /** Begins a segment of the log with what is known now. */
  rotate(): void {
    this.log.checkpoint();
    this.#noted(this.log.position.sequence);
  }

  /** For the head of a segment of the log. */
  get state(): Buffer {
    return encodeState(this.#state(this.log.position.sequence));
  }

  #state(applied: number): LocalRecord[] {
    const { tree, activity } = this.#parts;
    return [
      { kind: 'applied', sequence: applied },
      ...this.#boundHandles(),
      ...activity.state,
      ...doubtRecords(this.replica.state.doubts, (inode) => tree.hintOf(inode)),
    ];
  }

  *#boundHandles(): Generator<LocalRecord> {
    for (const [handle, { inode }] of this.replica.handles) {
      if (inode !== null) yield { kind: 'opened', handle, inode };
    }
  }

  async #checkpoint(): Promise<void> {
    const { activity } = this;
    activity.begin();
    try {
      await Promise.all([this.flusher.everything(), this.inherited()]);
      await activity.end(() => this.log.flush());
    } catch (error) {
      activity.abandon();
      throw error;
    }
  }

  #makeOne(sequence: number, record: LogRecord, data: Buffer | null): boolean {
    try {
      this.replica.consume(sequence, record, data);
      if (record.kind === 'open') this.noteOpened(record.handle);
      if (record.kind === 'sync') this.#addToScope(record.handle);
      return true;
    } catch (error) {
      // A system call refused it: whether something of it was made is not known.
      if (error instanceof HoldfastError || errnoOf(error) === undefined) throw error;
      this.replica.doubtRecord(record);
      return false;
    }
  }

  #addToScope(handle: number): void {
    const inode = this.replica.handles.get(handle)?.inode ?? null;
    if (inode !== null) this.tree.addToScope(inode);
  }

  /** Which file a handle is bound to. */
  noteOpened(handle: number): void {
    const inode = this.replica.handles.get(handle)?.inode ?? null;
    if (inode !== null) this.#parts.notes.opened(handle, inode);
  }

  #due(): LocalRecord[] {
    const { notes, log } = this.#parts;
    return notes.records(log.position.sequence);
  }

  #rotateWhenLong(): void {
    if (this.log.bytesSinceCheckpoint < this.#parts.segmentBytes) return;
    try {
      this.rotate();
    } catch (error) {
      // The segment gets longer until there is room for another.
      if (!(error instanceof HoldfastError) || error.code !== 'LOG_DISK_FULL') throw error;
    }
  }

  #orFatal(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#parts.onFatal(error);
    }
  }
}

export function handlesOf(handles: ReadonlyMap<number, OpenHandle>): ReplicaState['handles'] {
  return [...handles].map(([handle, { path, inode }]) => ({
    handle,
    inode,
    path: path === null ? null : toKey(path),
  }));
}
