import type { Socket } from 'node:net';

/**
 * A peer that is gone without a word is found by the kernel: one that was idle for a minute is asked every 15 s, and the
 * connection ends after eight questions without an answer. The kernel of a client that is stopped, or busy, answers;
 * an outage on the way may last two minutes.
 */
const idleMs = 60_000;
const questionEveryMs = 15_000;
const questions = 8;

export function keepAlive(socket: Socket): void {
  socket.setKeepAlive(true, idleMs, questionEveryMs, questions);
}

/**
 * While something is on the way to the peer the kernel does not ask: its retransmissions end after some 15 minutes.
 * TCP_USER_TIMEOUT, which would shorten them, cannot be set from Node. This bound also holds for a client that lives
 * and takes nothing in.
 */
export const stalledWriteLimitMs = 10 * 60_000;

/** Calls `onStalled` when data waits for the peer, and for that long it took none of it and sent nothing. */
export function watchStalledWrites(socket: Socket, limitMs: number, onStalled: () => void): void {
  // Node's timeout counts from the last byte that went either way, also of a write that is under way.
  socket.setTimeout(limitMs, () => {
    if (socket.writableLength > 0) onStalled();
  });
}
