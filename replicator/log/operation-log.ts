import { HoldfastError } from '#contracts/errors.ts';
import { tableFrom, tableUpTo } from '../core/epoch-table.ts';
import type { LocalRecord } from '../core/local-record.ts';
import { type EpochTable, type LogPosition, logStart } from '../core/position.ts';
import { type BatchHead, chainOf, emptyChain, encodeBatch, readBatch, readBatchHead } from './batch.ts';
import type { LoggedBatch } from './batch-reader.ts';
import { type EntrySinceCheckpoint, entriesSince } from './entries-since.ts';
import { aligned, encodeEntry, entryHeaderBytes, entryType } from './entry.ts';
import { GroupCommit } from './group-commit.ts';
import type { OpenHandle } from './handle-table.ts';
import { encodeLocalRecords } from './local-record-codec.ts';
import { beginLog, createSegment, createSegmentDurably } from './log-creation.ts';
import { isFull, type LogFolder } from './log-files.ts';
import { LogHistory } from './log-history.ts';
import type { Beginning, OperationLogOptions } from './log-options.ts';
import { LogState } from './log-state.ts';
import type { DecodedRecord } from './record-codec.ts';
import { type DurablePosition, type Recovered, recover, type TornTail } from './recovery.ts';
import { type Segment, UndoError } from './segment.ts';
import { type Pin, SegmentList } from './segment-list.ts';
import { Unflushed } from './unflushed.ts';
import { flushFailed, unwritable } from './write-errors.ts';

/**
 * The log of what was done to the files, on one host's disk: batches, equal on all hosts, and this host's own records
 * between them. Appending is synchronous and reaches the page cache: it survives the process. `flush` says what survives
 * a power cut. One process has a log open.
 *
 * After a failed flush, or when the file could not be put back after a failed write, everything that writes fails with
 * that error: the log is to be given up (P6).
 */
export class OperationLog {
  readonly #folder: LogFolder;
  readonly #options: OperationLogOptions;
  readonly #segments: SegmentList;
  readonly #history: LogHistory;
  readonly #commit = new GroupCommit(() => this.#flushNow());
  #state: LogState;
  #durable: DurablePosition;
  readonly #unflushed: Unflushed;
  #takingBack = false;
  /** Why nothing more may be written. */
  #refusal: Error | null = null;
  /** What recovery cut off. */
  readonly torn: TornTail | null;

  private constructor(folder: LogFolder, options: OperationLogOptions, recovered: Recovered) {
    this.#folder = folder;
    this.#options = options;
    this.#segments = new SegmentList(recovered.segments);
    this.#history = new LogHistory(folder.path, this.#segments);
    this.#state = recovered.state;
    this.#durable = recovered.durable;
    this.#unflushed = new Unflushed(
      folder,
      recovered.segments.filter(({ end }) => end > recovered.durable.offset),
    );
    this.torn = recovered.torn;
    this.#forgetEpochs();
  }

  /**
   * Recovers the log of a folder, or begins one there.
   * @throws HoldfastError LOG_DAMAGED, ROOT_FOREIGN when it belongs elsewhere, FORMAT_UNKNOWN; the files stay
   */
  static async open(folder: LogFolder, options: OperationLogOptions): Promise<OperationLog> {
    const recovered = await recover(folder, options);
    if (recovered !== null) return new OperationLog(folder, options, recovered);
    return OperationLog.startAnew(folder, options, {
      position: logStart,
      chain: emptyChain,
      epochs: [],
      handles: new Map(),
      state: options.checkpointState(),
    });
  }

  /** Begins a log at any position, durably; what was in the folder is removed, damaged or not. */
  static async startAnew(
    folder: LogFolder,
    options: OperationLogOptions,
    beginning: Beginning,
  ): Promise<OperationLog> {
    await beginLog(folder, options, beginning);
    const heldAtLeast = Math.min(options.heldAtLeast, beginning.position.sequence);
    const recovered = await recover(folder, { ...options, heldAtLeast });
    if (recovered === null) throw new Error(`the log that was begun in ${folder.path} is gone`);
    return new OperationLog(folder, options, recovered);
  }

  /** Of the last record. */
  get position(): LogPosition {
    return this.#state.position;
  }

  /** The chain value behind the last record. */
  get chain(): Buffer {
    return this.#state.chain;
  }

  get epochs(): EpochTable {
    return this.#state.epochs;
  }

  get handles(): ReadonlyMap<number, OpenHandle> {
    return this.#state.handles;
  }

  /** The records behind it can be read. */
  get start(): LogPosition {
    return this.#segments.start;
  }

  /** What is known to be on the disk. */
  get durable(): DurablePosition {
    return this.#durable;
  }

  /** The last one: what the engine gave with it, and the handles that were open. */
  get lastCheckpoint(): Pick<Segment['header'], 'state' | 'handles'> {
    return this.#segments.current.header;
  }

  /**
   * Orders records as the next batch, behind the host's own records that are to be on the disk no later.
   * @throws FormatError when a record is out of its bounds; nothing was written
   * @throws LogMismatch when a leadership record does not follow, or another one stands before the first leadership
   * @throws HoldfastError LOG_DISK_FULL, LOG_UNWRITABLE: nothing was written; LOG_FLUSH_FAILED
   */
  append(records: readonly DecodedRecord[], local: readonly LocalRecord[] = []): LoggedBatch {
    const [first] = records;
    const epoch = first?.kind === 'leadership' ? first.epoch : this.position.epoch;
    const payload = encodeBatch(epoch, this.position, this.chain, records);
    const head = readBatchHead(payload);
    return this.#appendChecked(payload, head, records, local);
  }

  /**
   * Appends a batch of the leader as it came.
   * @returns with its records, whose buffers are views of the payload
   * @throws FormatError, HoldfastError FORMAT_UNKNOWN: the batch is not sound
   * @throws LogMismatch when it is not the next one
   * @throws HoldfastError LOG_DISK_FULL, LOG_UNWRITABLE: nothing was written; LOG_FLUSH_FAILED
   */
  appendBatch(
    payload: Buffer,
    local: readonly LocalRecord[] = [],
  ): LoggedBatch & { readonly records: readonly DecodedRecord[] } {
    const { records, ...head } = readBatch(payload);
    return { ...this.#appendChecked(payload, head, records, local), records };
  }

  /** @throws as `append` does */
  appendLocal(records: readonly LocalRecord[]): void {
    if (records.length === 0) return;
    this.#write([[entryType.local, encodeLocalRecords(records)]]);
    this.#state.advanceLocal(records);
  }

  /**
   * Resolves when all that was appended before the call is on the disk, and says up to where. Many callers share one.
   * @throws HoldfastError LOG_FLUSH_FAILED, from then on always
   */
  flush(): Promise<DurablePosition> {
    if (this.#refusal !== null) return Promise.reject(this.#refusal);
    return this.#commit.run();
  }

  /** The same in this thread, before a change that cannot wait. @throws as `flush` rejects */
  flushNow(): void {
    this.#refuse();
    try {
      this.#unflushed.flushNow();
    } catch (cause) {
      throw this.#flushFailed(cause);
    }
    this.#durable = { offset: this.#segments.current.end, position: this.position };
  }

  /** Begins a segment with the engine's state as it is now: the local records before are no longer needed. */
  checkpoint(): void {
    this.#refuse();
    this.#makingRoom(() => this.#rotate());
    this.#retain();
  }

  /** Entries behind the last checkpoint. */
  get bytesSinceCheckpoint(): number {
    return this.#segments.current.bytesBehindHeader;
  }

  /** Open at a position. @throws HoldfastError LOG_NO_LONGER_REACHES; RangeError when no batch ends there */
  async handlesAt(position: LogPosition): Promise<ReadonlyMap<number, OpenHandle>> {
    return (await this.#history.checkpointAt(position, this.epochs)).handles;
  }

  /** What was appended since the last checkpoint. */
  sinceCheckpoint(): AsyncGenerator<EntrySinceCheckpoint> {
    return entriesSince(this.#folder.path, this.#segments.current);
  }

  /**
   * The batches from the one that holds a sequence up to the end of the log. Payloads are views of a larger buffer.
   * @throws HoldfastError LOG_NO_LONGER_REACHES at the first step, or when the reader was slower than the log's bounds
   *   (see `pin`), or the log was cut; LOG_DAMAGED
   */
  read(from: number): AsyncGenerator<LoggedBatch> {
    return this.#history.batchesFrom(from, () => this.position.sequence);
  }

  /** @returns null when no batch ends with this sequence, or the log does not reach there */
  chainAt(sequence: number): Promise<Buffer | null> {
    return this.#history.chainAt(sequence, this.#state);
  }

  /** Reads everything once. @throws HoldfastError LOG_DAMAGED */
  async verify(): Promise<void> {
    for await (const _ of this.read(this.start.sequence + 1));
  }

  /** Keeps what is behind a sequence, whatever the bounds say. */
  pin(sequence: number): Pin {
    return this.#segments.pin(sequence);
  }

  /**
   * Takes back what lies behind a position (R6), durably. Nothing may be appended meanwhile. What is taken back stays in
   * its files until they are dropped, and is never read again. Handles are open as they were there.
   * @param state the engine's, as of then; as `checkpointState` gives it
   * @throws RangeError when no batch ends there; HoldfastError LOG_NO_LONGER_REACHES, or as `append` and `flush` do
   */
  async truncateTo(position: LogPosition, state: Buffer): Promise<void> {
    await this.flush();
    this.#takingBack = true;
    try {
      await this.#takeBack(position, state);
    } finally {
      this.#takingBack = false;
    }
  }

  /** Lets go of the files as they are, as when the process ends. */
  abandon(): void {
    this.#refusal ??= new Error('the operation log is closed');
    this.#segments.close();
  }

  /** Flushes, and notes that all of it is on the disk. */
  async close(): Promise<void> {
    try {
      await this.flush();
      this.#write([[entryType.mark, Buffer.alloc(0)]]);
      await this.flush();
    } finally {
      this.abandon();
    }
  }

  async #takeBack(position: LogPosition, state: Buffer): Promise<void> {
    const kept = await this.#history.checkpointAt(position, this.epochs);
    const { end } = this.#segments.current;
    this.#segments.current.seal();
    const plan = {
      position,
      chain: kept.chain,
      epochs: tableUpTo(this.epochs, position),
      handles: kept.handles,
      state,
      base: end,
      history: 'takes-back',
      durable: end,
    } as const;
    const segment = await createSegmentDurably(this.#folder, this.#options, plan).catch((cause: unknown) => {
      throw this.#flushFailed(cause);
    });
    this.#history.takeBack();
    this.#segments.push(segment);
    this.#state = new LogState(segment.header);
    this.#durable = { offset: segment.end, position };
  }

  #appendChecked(
    payload: Buffer,
    head: BatchHead,
    records: readonly DecodedRecord[],
    local: readonly LocalRecord[],
  ): LoggedBatch {
    this.#state.check(head, records);
    const entries: [number, Buffer][] = [[entryType.batch, payload]];
    if (local.length > 0) entries.unshift([entryType.local, encodeLocalRecords(local)]);
    this.#write(entries);
    const { current } = this.#segments;
    current.notePlace(head.first, current.length - aligned(entryHeaderBytes + payload.length));
    const chain = chainOf(payload);
    this.#state.advanceLocal(local);
    this.#state.advance(head, chain, records);
    return { ...head, payload, chain };
  }

  #write(entries: readonly (readonly [type: number, payload: Buffer])[]): void {
    this.#refuse();
    this.#rotateWhenLong();
    this.#makingRoom(() => {
      const { current } = this.#segments;
      let offset = current.end;
      const encoded = entries.map(([type, payload]) => {
        const entry = encodeEntry(type, payload, {
          marker: current.name.marker,
          offset,
          durable: this.#durable.offset,
        });
        offset += entry.length;
        return entry;
      });
      current.append(encoded.length === 1 && encoded[0] ? encoded[0] : Buffer.concat(encoded));
      this.#unflushed.changed(current);
    });
  }

  #rotateWhenLong(): void {
    if (this.#segments.current.bytesBehindHeader < this.#options.segmentBytes) return;
    try {
      this.checkpoint();
    } catch (error) {
      // The segment gets longer until there is room for another.
      if (!(error instanceof HoldfastError) || error.code !== 'LOG_DISK_FULL') throw error;
    }
  }

  #rotate(): void {
    const { current } = this.#segments;
    const { position, chain, epochs, handles } = this.#state;
    const segment = createSegment(this.#folder, this.#options, {
      position,
      chain,
      epochs,
      handles,
      state: this.#options.checkpointState(),
      base: current.end,
      history: 'continues',
      durable: this.#durable.offset,
    });
    this.#segments.push(segment);
    this.#unflushed.changed(current);
    this.#unflushed.changed(segment);
    this.#unflushed.namesChanged();
    current.seal();
  }

  async #flushNow(): Promise<DurablePosition> {
    const reached = { offset: this.#segments.current.end, position: this.position };
    try {
      await this.#unflushed.flush();
    } catch (cause) {
      throw this.#flushFailed(cause);
    }
    // The log may have been cut meanwhile.
    if (reached.offset > this.#durable.offset) this.#durable = reached;
    this.#retain();
    return reached;
  }

  #flushFailed(cause: unknown): Error {
    this.#refusal ??= flushFailed(this.#folder.path, cause);
    return this.#refusal;
  }

  #refuse(): void {
    if (this.#refusal !== null) throw this.#refusal;
    if (this.#takingBack) throw new Error('the operation log is being cut');
  }

  /** On a full disk the log gives up its oldest segments. */
  #makingRoom(write: () => void): void {
    for (;;) {
      try {
        write();
        return;
      } catch (error) {
        const full = isFull(error);
        if (full && this.#segments.removeOldest(this.#durable.offset)) continue;
        const refused = unwritable(this.#folder.path, error, full);
        if (error instanceof UndoError && refused instanceof Error) this.#refusal ??= refused;
        throw refused;
      }
    }
  }

  #retain(): void {
    this.#segments.retain(this.#options, this.#options.wallMs(), this.#durable.offset);
    this.#forgetEpochs();
  }

  #forgetEpochs(): void {
    this.#state.forgetEpochs((epochs) => tableFrom(epochs, this.#segments.start));
  }
}
