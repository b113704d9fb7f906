import type { OperationFrame } from '../protocol/codec.ts';

/** What keeping an operation costs besides its frame. */
const overheadBytes = 256;

/** An operation as it goes to followers, and what it costs to keep. */
export interface SentOperation {
  readonly sequence: number;
  /** The frame as received from the journal, header and all. */
  readonly parts: readonly Buffer[];
  readonly bytes: number;
  /** Bytes of all operations up to and with this one, since the window began. */
  readonly endsAt: number;
}

/**
 * The latest operations, in order and without gaps: what followers are sent from, and can be sent again after a
 * broken connection. Bounded by bytes; what a streaming follower still lacks is never dropped, so the one who
 * appends has to stop when `full`.
 */
export class OperationWindow {
  readonly #limitBytes: number;
  #operations: SentOperation[] = [];
  /** Index of the first one kept: dropping from the front is amortised. */
  #start = 0;
  #bytes = 0;
  #totalBytes = 0;
  #last: number;

  constructor(limitBytes: number, lastSequence = 0) {
    this.#limitBytes = limitBytes;
    this.#last = lastSequence;
  }

  /** The last one appended, kept or not. */
  get last(): number {
    return this.#last;
  }

  /** The first one kept; `last + 1` when there is none. */
  get first(): number {
    return this.#operations[this.#start]?.sequence ?? this.#last + 1;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get full(): boolean {
    return this.#bytes >= this.#limitBytes;
  }

  append(frame: OperationFrame, parts: readonly Buffer[]): void {
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    this.#bytes += bytes + overheadBytes;
    this.#totalBytes += bytes;
    this.#operations.push({ sequence: frame.sequence, parts, bytes, endsAt: this.#totalBytes });
    this.#last = frame.sequence;
  }

  /** Counts an operation that nobody will be sent. */
  skip(frame: OperationFrame): void {
    this.#last = frame.sequence;
  }

  at(sequence: number): SentOperation | undefined {
    return sequence < this.first ? undefined : this.#operations[this.#start + sequence - this.first];
  }

  /** Bytes of what comes after a sequence. */
  bytesAfter(sequence: number): number {
    if (sequence >= this.#last) return 0;
    const operation = this.at(sequence);
    return operation === undefined ? this.#totalBytes : this.#totalBytes - operation.endsAt;
  }

  /** Whether a follower that has everything up to `sequence` can go on from here. */
  canResumeAfter(sequence: number): boolean {
    return sequence <= this.#last && sequence + 1 >= this.first;
  }

  /** Drops the oldest until the window fits, but nothing after `needed`, the last one that all followers have. */
  trim(needed: number): void {
    while (this.#bytes > this.#limitBytes / 2) {
      const oldest = this.#operations[this.#start];
      if (oldest === undefined || oldest.sequence > needed) break;
      this.#bytes -= oldest.bytes + overheadBytes;
      this.#start += 1;
    }
    if (this.#start > 1024 && this.#start * 2 > this.#operations.length) {
      this.#operations = this.#operations.slice(this.#start);
      this.#start = 0;
    }
  }
}
