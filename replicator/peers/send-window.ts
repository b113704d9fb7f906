import type { LoggedBatch } from '../log/batch-reader.ts';
import type { WriteData } from './ports.ts';

/** What keeping a batch costs besides its bytes. */
const overheadBytes = 512;

export interface SentBatch {
  readonly batch: LoggedBatch;
  readonly data: WriteData | null;
  readonly bytes: number;
  /** Of all batches up to and with this one. */
  readonly endsAt: number;
}

/**
 * The latest batches with the data of their writes, in order and without gaps: what all followers are sent from, until all
 * have it. Bounded in bytes: the oldest go first. What a member of the in-sync set has not received is kept up to twice the
 * bound; the leader takes no more from its clients while `lackingBytes` has reached it.
 */
export class SendWindow {
  readonly #limitBytes: number;
  /** By first sequence, in order. */
  readonly #batches = new Map<number, SentBatch>();
  #bytes = 0;
  #totalBytes = 0;
  /** Of what was dropped, and is no longer needed. */
  #droppedBytes = 0;
  #next: number;

  /** @param next the sequence of the first batch to come */
  constructor(limitBytes: number, next: number) {
    this.#limitBytes = limitBytes;
    this.#next = next;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The sequence behind the last batch. */
  get next(): number {
    return this.#next;
  }

  append(batch: LoggedBatch, data: WriteData | null): void {
    if (batch.first !== this.#next) throw new Error(`batch ${batch.first} where ${this.#next} is expected`);
    const dataBytes = (data ?? []).reduce((sum, part) => sum + (part?.length ?? 0), 0);
    const bytes = overheadBytes + batch.payload.length + dataBytes;
    this.#bytes += bytes;
    this.#totalBytes += bytes;
    this.#batches.set(batch.first, { batch, data, bytes, endsAt: this.#totalBytes });
    this.#next = batch.last + 1;
  }

  /** The batch that begins with the sequence; undefined when it is no longer, or not yet, here. */
  at(first: number): SentBatch | undefined {
    return this.#batches.get(first);
  }

  /** Bytes of what is here of that which comes behind a sequence where a batch ends: what was dropped does not count. */
  lackingBytes(sequence: number): number {
    if (sequence + 1 >= this.#next) return 0;
    const after = this.at(sequence + 1);
    return this.#totalBytes - (after === undefined ? this.#droppedBytes : after.endsAt - after.bytes);
  }

  /**
   * Drops what nobody needs any more, and then the oldest until the window fits.
   * @param received the last sequence that all members have received
   * @param receivedByAll the same of everybody who is sent anything
   */
  trim(received: number, receivedByAll = 0): void {
    for (const [first, { batch, bytes, endsAt }] of this.#batches) {
      if (batch.last > receivedByAll) {
        const isNeeded = batch.last > received && this.#bytes <= 2 * this.#limitBytes;
        if (this.#bytes <= this.#limitBytes || isNeeded) return;
      }
      this.#batches.delete(first);
      this.#bytes -= bytes;
      this.#droppedBytes = endsAt;
    }
  }
}
