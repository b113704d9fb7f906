/** Durations in milliseconds that the role machine decides by. */
export interface Timing {
  readonly leaseTtlMs: number;
  readonly marginMs: number;
  /** A promotion that takes longer has failed. */
  readonly promotionLimitMs: number;
  /** Each step of handing over takes at most this long, then the next is done without its result. */
  readonly handOverStepLimitMs: number;
  /** The wait after the first failed promotion; it doubles with each further one. */
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  /** More deaths of the SFTP node than this within `nodeDeathWindowMs` end the leadership. */
  readonly maxNodeDeaths: number;
  readonly nodeDeathWindowMs: number;
}

export function timingOf(lease: { ttl: number; margin: number }): Timing {
  return {
    leaseTtlMs: lease.ttl,
    marginMs: lease.margin,
    promotionLimitMs: 10_000,
    handOverStepLimitMs: 2000,
    backoffMs: 1000,
    maxBackoffMs: 60_000,
    maxNodeDeaths: 3,
    nodeDeathWindowMs: 60_000,
  };
}
