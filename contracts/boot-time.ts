import { uptime } from 'node:os';

/**
 * Milliseconds since the host booted, suspend included (/proc/uptime, 10 ms resolution). It is the only clock
 * that leases, gates and deadlines use: the wall clock can be stepped, and Node's monotonic clock stands still
 * while a machine is suspended. Equal in all processes of one host.
 */
export function bootTimeMs(): number {
  return Math.round(uptime() * 1000);
}
