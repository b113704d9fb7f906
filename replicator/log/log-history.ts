import { HoldfastError } from '#contracts/errors.ts';
import { epochAt } from '../core/epoch-table.ts';
import type { EpochTable, LogPosition } from '../core/position.ts';
import { readBatch, readBatchHead } from './batch.ts';
import { entriesOf, type LoggedBatch, loggedBatch } from './batch-reader.ts';
import { damaged } from './damage.ts';
import { entryType } from './entry.ts';
import { decodeLocalRecords } from './local-record-codec.ts';
import { type Checkpoint, LogState } from './log-state.ts';
import type { SegmentList } from './segment-list.ts';

/** What is read back of a log. */
export class LogHistory {
  readonly #folder: string;
  readonly #segments: SegmentList;
  /** Readers of before are out of date when it changes. */
  #takenBack = 0;

  constructor(folder: string, segments: SegmentList) {
    this.#folder = folder;
    this.#segments = segments;
  }

  /** The log is cut: what readers under way hold may be on the other side. */
  takeBack(): void {
    this.#takenBack += 1;
  }

  /**
   * Batches from the one that holds a sequence on, up to `last` as it is when the reader comes there. Payloads are views
   * of a larger buffer.
   * @throws HoldfastError LOG_NO_LONGER_REACHES, also when the log was shortened or cut meanwhile; LOG_DAMAGED
   */
  async *batchesFrom(from: number, last: () => number): AsyncGenerator<LoggedBatch> {
    const takenBack = this.#takenBack;
    let next = from;
    let link: Buffer | null = null;
    while (next <= last()) {
      const part = this.#segments.holding(next);
      if (part === null || takenBack !== this.#takenBack) throw this.#noLongerReaches(next);
      const { segment, limit } = part;
      const { header } = segment;
      const began = next;
      for await (const { type, payload } of entriesOf(this.#folder, segment, segment.placeBefore(next))) {
        if (takenBack !== this.#takenBack) throw this.#noLongerReaches(next);
        if (type !== entryType.batch) continue;
        const head = readBatchHead(payload);
        if (head.last < next) continue;
        if (head.first === header.position.sequence + 1) link ??= header.chain;
        const joins = link === null ? head.first <= next : head.previous.equals(link);
        if (!joins) throw damaged(this.#folder, `record ${head.first} does not go on where ${next - 1} ends`);
        const batch = loggedBatch(payload);
        link = batch.chain;
        next = batch.last + 1;
        yield batch;
        if (next > limit) break;
      }
      if (next === began) throw damaged(this.#folder, `record ${next} is missing`);
    }
  }

  /**
   * The chain value behind a record.
   * @returns null when no batch ends there, or the log does not reach back so far
   */
  async chainAt(sequence: number, end: Checkpoint): Promise<Buffer | null> {
    if (sequence === end.position.sequence) return end.chain;
    if (sequence > end.position.sequence) return null;
    const part = this.#segments.holding(sequence + 1);
    if (part?.segment.header.position.sequence === sequence) return part.segment.header.chain;
    if (this.#segments.holding(sequence) === null) return null;
    for await (const { last, chain } of this.batchesFrom(sequence, () => sequence)) {
      return last === sequence ? Buffer.from(chain) : null;
    }
    return null;
  }

  /**
   * What the log was when it ended with a position.
   * @throws HoldfastError LOG_NO_LONGER_REACHES
   * @throws RangeError when no batch ends there
   */
  async checkpointAt({ epoch, sequence }: LogPosition, epochs: EpochTable): Promise<Checkpoint> {
    const part = this.#segments.holding(sequence + 1);
    if (part === null) throw this.#noLongerReaches(sequence);
    const state = new LogState(part.segment.header);
    for await (const { type, payload } of entriesOf(this.#folder, part.segment, 0)) {
      if (type === entryType.local) state.advanceLocal(decodeLocalRecords(payload));
      if (type !== entryType.batch) continue;
      if (state.position.sequence >= sequence) break;
      const { chain } = loggedBatch(payload);
      const { records, ...head } = readBatch(payload);
      state.check(head, records);
      state.advance(head, Buffer.from(chain), records);
    }
    if (state.position.sequence !== sequence || epochAt(epochs, sequence) !== epoch) {
      throw new RangeError(`no batch of the log ends at ${epoch}/${sequence}`);
    }
    return state;
  }

  #noLongerReaches(sequence: number): HoldfastError {
    return new HoldfastError(
      'LOG_NO_LONGER_REACHES',
      `the operation log begins behind record ${this.#segments.start.sequence}, and ${sequence} is asked for`,
    );
  }
}
