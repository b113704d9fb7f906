/**
 * A place in the log. Sequences count the shared records and go on across epochs: the record after a leadership's last
 * one has the next sequence, whoever leads then. The epoch is that of the leadership that gave the record its place,
 * so two hosts that hold the same (epoch, sequence) hold the same record and the same history before it.
 */
export interface LogPosition {
  readonly epoch: number;
  readonly sequence: number;
}

export const logStart: LogPosition = { epoch: 0, sequence: 0 };

/** Where each leadership's records begin in a log, oldest first. */
export interface EpochStart {
  readonly epoch: number;
  /** The sequence of its first record, which is the leadership record. */
  readonly first: number;
}

export type EpochTable = readonly EpochStart[];
