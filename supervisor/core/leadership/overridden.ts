import { rootCodes } from '../roots/agreement.ts';

/** What an operator's word overrides: it is about what this host may lack, not about whether it can serve. */
const overridden = ['NO_FAILOVER', 'BACKOFF', 'PROMOTIONS_FAILED'];
const overriddenByForce = [
  ...overridden,
  ...rootCodes,
  'NOT_IN_SYNC',
  'IN_SYNC_MISSING',
  'SETTINGS_DIFFER',
  'DISK_LOW',
  'LINK_DOWN',
  'CHECK_OVERDUE',
  'CHECK_FAILED',
];

/** The codes of reasons that an operator's failover overrides. */
export function overriddenBy({ force }: { readonly force: boolean }): readonly string[] {
  return force ? overriddenByForce : overridden;
}

/** The same of a forced switchover, which loses nothing: the target holds all that was acknowledged. */
export const overriddenBySwitchover: readonly string[] = ['SETTINGS_DIFFER'];
