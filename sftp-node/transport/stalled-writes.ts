import type { Socket } from 'node:net';

/**
 * A peer that is gone without a word is found by TCP keepalive while nothing is on the way to it. What is on the way has
 * the kernel's retransmissions for a bound, some 15 minutes; TCP_USER_TIMEOUT, which would shorten it, cannot be set
 * from Node. This one also holds for a client that lives and reads nothing.
 */
export const stalledWriteLimitMs = 10 * 60_000;

/** Calls `onStalled` when data waits for the peer, and it took none of it (and sent nothing) for that long. */
export function watchStalledWrites(socket: Socket, limitMs: number, onStalled: () => void): void {
  // Node's timeout counts from the last byte that went either way, also of a write that is under way.
  socket.setTimeout(limitMs, () => {
    if (socket.writableLength > 0) onStalled();
  });
}
