import type { Frame } from '#contracts/frames.ts';

/** One end of a connection between two engines: frames in order, none lost as long as it is open. */
export interface FrameChannel {
  /** Aborted when the connection is over; the reason is an Error that says why. */
  readonly closed: AbortSignal;
  /**
   * Delivers from now on to `handle`; called once.
   * @param fail what was received was not as the protocol says, or `handle` threw: called once, and closes the channel
   */
  receive(handle: (frame: Frame) => void, fail: (error: unknown) => void): void;
  /** @param parts one frame, or several @returns false when the caller should wait for `onDrain` */
  send(parts: readonly Buffer[]): boolean;
  readonly writable: boolean;
  /** Calls `proceed` at each moment when more may be sent after `writable` was false. */
  onDrain(proceed: () => void): void;
  /** Back-pressure on the peer, for as long as nothing more can be taken. */
  pause(): void;
  resume(): void;
  /** What was sent before still leaves, as far as the peer takes it. */
  close(reason: Error): void;
}
