import { openSync, readSync } from 'node:fs';

/** Open for as long as the process lives, since it is read for each change of a client. */
const uptime = openSync('/proc/uptime', 'r');
const text = Buffer.alloc(64);
/** A tenth of the resolution. */
const goodForMs = 1;
let readAtMs = Number.NEGATIVE_INFINITY;
let lastMs = 0;

/**
 * Milliseconds since the host booted, suspend included (/proc/uptime, 10 ms resolution). It is the only clock
 * that leases, gates and deadlines use: the wall clock can be stepped, and Node's monotonic clock stands still
 * while a machine is suspended. Equal in all processes of one host.
 *
 * A reading serves for a millisecond of the monotonic clock, which goes on while the process stands still: only a suspend
 * within it is seen so much later.
 */
export function bootTimeMs(): number {
  const nowMs = performance.now();
  if (nowMs - readAtMs < goodForMs) return lastMs;
  const length = readSync(uptime, text, 0, text.length, 0);
  lastMs = Math.round(Number.parseFloat(text.toString('latin1', 0, length)) * 1000);
  readAtMs = nowMs;
  return lastMs;
}
