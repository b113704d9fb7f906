import type { LocalRecord } from '../core/local-record.ts';
import type { EpochTable, LogPosition } from '../core/position.ts';
import type { BatchHead } from './batch.ts';
import { HandleTable, type OpenHandle } from './handle-table.ts';
import type { DecodedRecord } from './record-codec.ts';

/** Why a batch does not go on where the log ends. */
export type MismatchReason = 'held' | 'gap' | 'chain' | 'leadership';

/**
 * A batch is sound, and is not the next one of this log. `held`: the log has the sequence already; `gap`: it lacks what
 * comes before; `chain`: its history is another one; `leadership`: its epoch does not follow.
 */
export class LogMismatch extends Error {
  override readonly name = 'LogMismatch';
  readonly reason: MismatchReason;

  constructor(reason: MismatchReason, what: string) {
    super(what);
    this.reason = reason;
  }
}

export interface Checkpoint {
  readonly position: LogPosition;
  readonly chain: Buffer;
  readonly epochs: EpochTable;
  readonly handles: ReadonlyMap<number, OpenHandle>;
}

/** What a log's records amount to: its position, chain value, leaderships and open handles. In memory alone. */
export class LogState {
  #position: LogPosition;
  #chain: Buffer;
  #epochs: EpochTable;
  readonly #handles: HandleTable;

  constructor({ position, chain, epochs, handles }: Checkpoint) {
    this.#position = position;
    this.#chain = chain;
    this.#epochs = epochs;
    this.#handles = new HandleTable(handles);
  }

  get position(): LogPosition {
    return this.#position;
  }

  get chain(): Buffer {
    return this.#chain;
  }

  get epochs(): EpochTable {
    return this.#epochs;
  }

  get handles(): ReadonlyMap<number, OpenHandle> {
    return this.#handles.handles;
  }

  /**
   * Whether a batch is the next one.
   * @param records at least those that handles and leaderships hang on, in order
   * @throws LogMismatch
   * @throws FormatError when it would make more handles than a log holds
   */
  check(batch: BatchHead, records: readonly DecodedRecord[]): void {
    const { epoch, sequence } = this.#position;
    const what = `the batch ${batch.epoch}/${batch.first} behind ${epoch}/${sequence}`;
    if (batch.first <= sequence) throw new LogMismatch('held', `${what}: the log has it`);
    if (batch.first > sequence + 1) throw new LogMismatch('gap', `${what}: the log lacks what comes before`);
    if (!batch.previous.equals(this.#chain)) throw new LogMismatch('chain', `${what}: of another history`);
    const leadership = records[0]?.kind === 'leadership' ? records[0] : null;
    const follows =
      leadership === null
        ? batch.epoch === epoch
        : batch.epoch > epoch &&
          leadership.epoch === batch.epoch &&
          leadership.previous.epoch === epoch &&
          leadership.previous.sequence === sequence;
    if (!follows) throw new LogMismatch('leadership', `${what}: its epoch does not follow`);
    if (leadership === null) this.#handles.checkRoomFor(records);
  }

  /** After `check`, when the batch is in the log. */
  advance(batch: BatchHead, chain: Buffer, records: readonly DecodedRecord[]): void {
    if (batch.epoch !== this.#position.epoch) {
      this.#epochs = [...this.#epochs, { epoch: batch.epoch, first: batch.first }];
    }
    this.#position = { epoch: batch.epoch, sequence: batch.last };
    this.#chain = chain;
    for (const record of records) this.#handles.apply(record);
  }

  advanceLocal(records: readonly LocalRecord[]): void {
    for (const record of records)
      if (record.kind === 'opened') this.#handles.bind(record.handle, record.inode);
  }

  forgetEpochs(keep: (epochs: EpochTable) => EpochTable): void {
    this.#epochs = keep(this.#epochs);
  }
}
