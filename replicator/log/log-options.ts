import type { Checkpoint } from './log-state.ts';
import type { RetentionLimits } from './segment-list.ts';

export interface OperationLogOptions extends RetentionLimits {
  /** Of the cluster and this host's root: at most 255 bytes. */
  readonly identity: string;
  /** The last sequence that somebody else knows to be durable here; 0 when nobody does. */
  readonly heldAtLeast: number;
  /** A segment that is longer is followed by a new one. */
  readonly segmentBytes: number;
  /** Space is allocated in steps of so many bytes. */
  readonly aheadBytes: number;
  /** The time of day: for the age of segments alone. */
  readonly wallMs: () => number;
  /**
   * What the engine must know again after a restart, as of all that was appended so far: at most `maxStateBytes`. Called
   * when a segment begins; with it the local records before are no longer needed.
   */
  readonly checkpointState: () => Buffer;
}

export const defaultLogLimits = {
  segmentBytes: 16 * 1024 * 1024,
  aheadBytes: 1024 * 1024,
  maxBytes: 256 * 1024 * 1024,
  maxAgeMs: 7 * 24 * 60 * 60 * 1000,
} as const;

/** Where a log begins that does not go on from anything: after a full comparison with a leader at that position. */
export interface Beginning extends Checkpoint {
  readonly state: Buffer;
}
