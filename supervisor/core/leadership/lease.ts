import type { HeldLease } from './state.ts';
import type { Timing } from './timing.ts';

/** The boot time by which a leader must have stopped: the lease's earliest end less the margin (G1). */
export function leaseDeadlineMs(lease: HeldLease, timing: Timing): number {
  return lease.endsAtMs - timing.marginMs;
}
