import type { Epoch } from '../identities.ts';
import type { Operation } from './operation.ts';

/**
 * The journal: the SFTP node (client of a unix socket, mode 0600) hands its operations to the replicator (server) on
 * the same host. Frames are `u32 length | u8 type | body`, big endian.
 *
 * The sequence starts at 1 with each epoch and rises by one with each operation. When the socket breaks, the node
 * answers nothing that mutates, connects again and says `hello` with the next sequence; whatever the replicator had
 * not passed on is found by catch-up.
 */
export type ToJournal =
  | { readonly type: 'hello'; readonly epoch: Epoch; readonly nextSequence: number }
  /** `durable`: the node waits for `durable` with this sequence, or a later one, before it acknowledges. */
  | {
      readonly type: 'operation';
      readonly epoch: Epoch;
      readonly sequence: number;
      readonly durable: boolean;
      readonly operation: Operation;
    }
  /** Answers `hold`: no mutation runs until `release`; `sequence` is the last one sent; handles as they are now. */
  | { readonly type: 'held'; readonly sequence: number; readonly handles: readonly OpenHandle[] };

export interface OpenHandle {
  readonly handle: number;
  /** Where the file is now, relative to the files root; empty when it was removed while open. */
  readonly path: Buffer;
}

export type FromJournal =
  /** Answers `hello`. Until it comes nothing may be acknowledged. */
  | { readonly type: 'welcome'; readonly epoch: Epoch }
  /** Everything up to `sequence` is on the disk of every in-sync standby (`sync`), or merely accepted (`async`). */
  | { readonly type: 'durable'; readonly sequence: number }
  /** Stop mutating for the last round of a catch-up, answered by `held`. */
  | { readonly type: 'hold' }
  | { readonly type: 'release' }
  /** Mutations are refused from now on (`strict` without a standby, or a stale epoch), or allowed again (''). */
  | { readonly type: 'refuse'; readonly reason: string };
