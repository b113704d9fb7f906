import type { OpenHandle } from '#contracts/journal/message.ts';
import type { Operation } from '#contracts/journal/operation.ts';

/** Where the operations go, in order. */
export interface Journal {
  /**
   * Takes one operation that was just done here.
   * @param durable whether `whenDurable` will be asked for it
   * @returns its sequence
   */
  record(operation: Operation, durable: boolean): number;
  /** Resolves when everything up to `sequence` is on the disk of every in-sync standby. */
  whenDurable(sequence: number): Promise<void>;
  /** The last sequence that was given out. */
  readonly lastSequence: number;
  /** Whether so much waits to be sent that no more should be done. */
  readonly isFull: boolean;
  close(): void;
}

/** What the journal asks of the one who writes it. */
export interface JournalOwner {
  /** No mutation from now on until `release`; tells the open handles. */
  hold(): OpenHandle[];
  release(): void;
  /** No mutation is allowed, for this reason; null: allowed again. */
  refuse(reason: string | null): void;
  /** The journal has room again. */
  drained(): void;
}
