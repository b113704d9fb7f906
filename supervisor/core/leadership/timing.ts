/** Durations in milliseconds that the role machine decides by. */
export interface Timing {
  readonly leaseTtlMs: number;
  readonly marginMs: number;
  /** A promotion that takes longer has failed. */
  readonly promotionLimitMs: number;
  /** How long a hand-over waits for the successor to get ready: it can take over without, only slower. */
  readonly prepareLimitMs: number;
  /** Each step of handing over takes at most this long. */
  readonly handOverStepLimitMs: number;
  /** How much longer taking the address off, or putting it on, may take than the kernel needs. */
  readonly vipCommandMs: number;
  /** How long a leadership that ended waits for its address to be taken off, though it has ended by itself. */
  readonly vipRemovalLimitMs: number;
  /** After the leader is gone, a standby waits this long for one of higher priority to claim. */
  readonly precedenceMs: number;
  /** A leader that has been unfit for this long hands over to a host that is fit. */
  readonly unfitLimitMs: number;
  /** A leader whose storage engine is away for longer gives way to a host that is fit (H1). */
  readonly engineLimitMs: number;
  /** An operation that could not begin for this long is not begun any more. */
  readonly missedAfterMs: number;
  /** The wait after the first failed promotion; it doubles with each further one. */
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  /** The wait, always the same, after a promotion failed at what is the same on every host. */
  readonly replicatedBackoffMs: number;
  /** A host whose promotions failed this often in a row leaves it to the others. */
  readonly maxFailedPromotions: number;
  /** How long after the last failure it may try again. */
  readonly failuresForgottenAfterMs: number;
  /** A host that has led for this long is well, whatever failed before. */
  readonly provenAfterMs: number;
  /** More deaths of the SFTP node than this within `nodeDeathWindowMs` end the leadership. */
  readonly maxNodeDeaths: number;
  readonly nodeDeathWindowMs: number;
}

/** @param vipCommandMs the longest time that a command of a virtual IP may take; 0 without any */
export function timingOf(lease: { ttl: number; margin: number }, vipCommandMs = 0): Timing {
  return {
    leaseTtlMs: lease.ttl,
    marginMs: lease.margin,
    promotionLimitMs: 10_000 + vipCommandMs,
    prepareLimitMs: 1500,
    handOverStepLimitMs: 2000,
    vipCommandMs,
    // A command is tried three times.
    vipRemovalLimitMs: 5000 + 3 * vipCommandMs,
    /** Longer than a claim takes from the watch to the answer, on a busy host. */
    precedenceMs: 400,
    unfitLimitMs: 3000,
    engineLimitMs: 1000,
    missedAfterMs: 60_000,
    backoffMs: 1000,
    maxBackoffMs: 60_000,
    replicatedBackoffMs: 5000,
    maxFailedPromotions: 5,
    failuresForgottenAfterMs: 600_000,
    provenAfterMs: 60_000,
    maxNodeDeaths: 3,
    nodeDeathWindowMs: 60_000,
  };
}
