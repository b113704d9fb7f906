/**
 * What the protocol between two engines asks of the engine behind it. All methods without a promise are called on the
 * thread that orders, and between two batches: never while one is being appended or applied.
 */

import type { Want } from '../core/answer-taker.ts';
import type { EntriesPage, NameAnswer } from '../core/answers.ts';
import type { EpochTable, LogPosition } from '../core/position.ts';
import type { Inode } from '../core/tree.ts';
import type { TreePath } from '../core/uncertain-names.ts';
import type { LoggedBatch } from '../log/batch-reader.ts';

/** The bytes of a batch's writes, one for each `write` record in order; null where there are none to send. */
export type WriteData = readonly (Buffer | null)[];

/** A host's log, as both sides tell it. */
export interface LogPort {
  /** Of the last record in the log. */
  readonly position: LogPosition;
  /** The chain value there. */
  readonly chain: Buffer;
  readonly epochs: EpochTable;
  /** The log has what lies behind it. */
  readonly start: LogPosition;
  /** @returns null when no batch ends with this sequence, or the log does not reach there */
  chainAt(sequence: number): Promise<Buffer | null>;
}

/** A file that the leader opened, whatever becomes of its name. */
export interface OpenContent {
  /**
   * Reads off the ordering thread, what is there at some time between call and end.
   * @returns fewer bytes than asked for at the end of the file; the buffer is the caller's
   */
  read(from: number, to: number): Promise<Buffer>;
  /** SHA-256 of the same; `bytes` tells how many were there. */
  digest(from: number, to: number): Promise<{ readonly bytes: number; readonly digest: Buffer }>;
  close(): void;
}

/** The pages of one directory, made ready off the ordering thread. */
export interface OpenDirectory {
  /**
   * Which names there are in the next range, as of the last batch applied. Takes little time, however large the
   * directory.
   * @param after null: from the first name on
   * @param limit the most names
   * @returns null when it is no directory, or not the one at the path, any more
   */
  page(after: string | null, limit: number): EntriesPage | null;
  close(): void;
}

/** The engine of a host that leads. */
export interface LeaderPort extends LogPort {
  /** Of this leadership; its first record is in the log. */
  readonly epoch: number;
  /**
   * The batches from the one that holds a sequence up to the end of the log, which may grow meanwhile.
   * @throws HoldfastError LOG_NO_LONGER_REACHES, LOG_DAMAGED
   */
  read(from: number): AsyncGenerator<LoggedBatch>;
  /**
   * Calls `listener` with each batch from now on, in order, in the turn in which it is appended. The buffers must not
   * change afterwards.
   * @param listener its `data` is null when the batch has no writes
   * @returns ends it
   */
  subscribe(listener: (batch: LoggedBatch, data: WriteData | null) => void): () => void;
  /** What the name is, as of the last batch applied. */
  answerName(path: TreePath): NameAnswer;
  /** @returns null when there is no directory */
  openDirectory(path: TreePath): Promise<OpenDirectory | null>;
  /** Opens the file at the path, as of the last batch applied; null when there is none. */
  openContent(path: TreePath): OpenContent | null;
}

/** What a follower says it has flushed. */
export interface Flushed {
  readonly position: LogPosition;
  /** R5: nothing was uncertain or missing when this flush began, and all of it up to the position is flushed. */
  readonly complete: boolean;
}

/** The engine of a host that follows. */
export interface FollowerPort extends LogPort {
  /** Takes back what lies behind the position (R6), where a batch ends. Nothing else is called meanwhile. */
  cutTo(common: LogPosition): Promise<void>;
  /** Begins a new log there, with everything uncertain: the leader's does not reach back to this one. */
  beginAnew(position: LogPosition, chain: Buffer, epochs: EpochTable): Promise<void>;
  /**
   * Appends the next batch and applies it, in this call. It is known to follow the chain.
   * @param payload the callee's from now on
   * @param data one for each `write` record, with the record's length; null where it did not come along; good until it
   *   returns
   */
  consume(payload: Buffer, data: WriteData): void;
  onName(path: TreePath, answer: NameAnswer): void;
  /** @param page null: the leader has no directory there */
  onEntries(path: TreePath, page: EntriesPage | null): void;
  /** Which file of this host the leader has opened; null when that is not known here. */
  onOpened(path: TreePath): Inode | null;
  /**
   * @param openedAt the sequence at which the leader opened the file
   * @param data good until it returns
   */
  onContent(inode: Inode, openedAt: number, offset: number, data: Buffer): void;
  /**
   * Compares what lies here with the leader's hashes, off the ordering thread, and notes what is the same and what
   * differs (`Replica.onSame`, `onDifferent`). Resolves then; another file may be compared at the same time.
   * @param digests SHA-256 of each block from `from` on; the last block ends at `to`, or at the end of the file
   * @param to where the leader's reading ended
   */
  onDigest(
    inode: Inode,
    openedAt: number,
    range: { readonly from: number; readonly to: number; readonly blockBytes: number },
    digests: readonly Buffer[],
  ): Promise<void>;
  /** Whether more may come: what was changed waits for its flush with a descriptor each, within bounds. */
  readonly hasRoom: boolean;
  /** Calls `proceed` at each moment when there is room again. @returns ends it */
  onRoom(proceed: () => void): () => void;
  /** What to ask for next, at most so many. The same ones come again until they are answered. */
  wants(limit: number): Want[];
  /** Has everything flushed that was consumed before the call. */
  flush(): Promise<Flushed>;
  /**
   * Has the log flushed, and what the batch consumed last changed, with the directories that lead there (P3). To be called
   * before anything else is consumed.
   * @returns whether that counts (R5): nothing was uncertain or missing
   */
  barrier(): Promise<boolean>;
}
