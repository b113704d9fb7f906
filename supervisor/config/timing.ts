import type * as z from 'zod';

/**
 * The kernel takes an address off up to 0.4 s after the whole seconds of its lifetime (measured: 2.03 s for 2,
 * 3.10 s for 3, 5.37 s for 5). It looks at most once a second: when another address of the host changes in the second
 * before, it can be up to 1 s, and the lease may be over by then. The successor probes before it puts the address on.
 */
const kernelLatenessMs = 400;

/** Time that putting the address on is given: one that has not done it by then is ended. */
export const vipCommandLimitMs = 300;

/**
 * The lifetime in whole seconds that the kernel may be given now so that it ends before `leaseEndsAtMs` (G2), also
 * when the command that gives it is as slow as it may be.
 */
export function vipLifetimeSeconds(leaseEndsAtMs: number, nowMs: number): number {
  const spareMs = leaseEndsAtMs - nowMs - kernelLatenessMs - vipCommandLimitMs;
  return Math.max(0, Math.floor(spareMs / 1000));
}

/** Boot time until which the kernel may be given a lifetime so that it ends before `leaseEndsAtMs`. */
export function latestVipStartMs(seconds: number, leaseEndsAtMs: number): number {
  return leaseEndsAtMs - seconds * 1000 - kernelLatenessMs;
}

/**
 * The longest time that a call of a virtual IP's command may take, so that one that began as late as one renewal after
 * the lease was renewed has ended when the leader would have to stop.
 */
export function longestVipCommandMs({ ttl, margin, renewEvery }: LeaseTiming): number {
  return ttl - margin - renewEvery;
}

interface LeaseTiming {
  ttl: number;
  renewEvery: number;
  margin: number;
}

/**
 * Refuses a lease whose parts do not fit into each other:
 * - etcd grants whole seconds, and none below 2 s that the kernel's whole-second lifetimes could stay inside of;
 * - the margin holds the worst emergency stop (200 ms measured under load) and drift;
 * - two renewals may fail before the leader has to stop, and before the kernel takes the VIP off.
 */
export function checkTiming(lease: LeaseTiming, context: z.RefinementCtx): void {
  const complain = (field: keyof LeaseTiming, message: string) =>
    context.addIssue({ code: 'custom', path: [field], message });

  if (lease.ttl % 1000 !== 0 || lease.ttl < 3000 || lease.ttl > 60_000) {
    complain('ttl', 'must be whole seconds from 3s to 60s');
    return;
  }
  if (lease.renewEvery < 100) complain('renewEvery', 'must be at least 100ms');
  if (lease.margin < 300) complain('margin', 'must be at least 300ms: the worst emergency stop has to fit');
  const budget = lease.ttl - lease.margin;
  if (lease.renewEvery * 3 > budget) {
    complain(
      'renewEvery',
      `must be at most ${Math.floor(budget / 3)}ms: two renewals may fail inside ttl - margin`,
    );
  }
  if (lease.renewEvery * 3 > vipLifetimeSeconds(lease.ttl, 0) * 1000) {
    complain('renewEvery', 'is too long: the kernel would take the VIP off after one failed renewal');
  }
}
