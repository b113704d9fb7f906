/** Bounds of the protocol between door and engine, in bytes unless it says otherwise. Both sides refuse what is beyond. */

/** A path as a client wrote it, and one that the engine resolved. */
export const maxPathBytes = 65_536;
/** Data of one WRITE frame. An SFTP WRITE has at most 261,120. */
export const maxWriteBytes = 256 * 1024;
/** Frames to the engine, without their length field: the longest are a WRITE, and a RENAME of two paths. */
export const maxRequestFrameBytes = maxWriteBytes + 256;
/** Frames from the engine: two paths. */
export const maxAnswerFrameBytes = 2 * maxPathBytes + 256;
/** A sentence for people, in UTF-8; longer ones are cut. */
export const maxSentenceBytes = 512;
/** The name of an errno, and of why a connection ends: ASCII. */
export const maxCodeBytes = 32;
/** The name of a door or of a quota account. */
export const maxNameBytes = 255;

/**
 * What a door may have under way, told to it in `welcome`. A frame with data may be sent while of its session fewer bytes
 * are unacknowledged than the session's credit, and either fewer than its share or of the connection fewer than the
 * connection's credit. So the last frame may go beyond by its own length, and no session waits for the bytes of others.
 */
export interface Allowance {
  /** Sessions of one connection. */
  readonly sessions: number;
  /** Open handles of one session. */
  readonly handles: number;
  /** Requests of one session that are not answered, frames with data among them. */
  readonly requests: number;
  /** The same of all sessions of a connection. */
  readonly connectionRequests: number;
  readonly connectionCreditBytes: number;
  readonly sessionCreditBytes: number;
  readonly sessionShareBytes: number;
}

/**
 * The credits are what may stand in front of a small CLOSE in the socket that it shares with uploads: some 9 ms at 224 MB/s
 * (docs/decisions/2026-11-26-data-path-measured.md).
 */
export const defaultAllowance: Allowance = {
  sessions: 4096,
  handles: 512,
  requests: 512,
  connectionRequests: 16_384,
  connectionCreditBytes: 2 * 1024 * 1024,
  sessionCreditBytes: 512 * 1024,
  sessionShareBytes: 32 * 1024,
};
