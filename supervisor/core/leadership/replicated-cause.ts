import type { Cause } from '../cause.ts';

/** About files that are the same on every host: users and host keys. */
const codes: readonly string[] = [
  'USERS_UNREADABLE',
  'USERS_INVALID',
  'HOST_KEY_UNREADABLE',
  'HOST_KEY_PERMISSIONS',
  'HOST_KEY_INVALID',
  'CONFIG_UNREADABLE',
  'CONFIG_TOO_LARGE',
];

/**
 * Whether the cause lies in what is replicated: then it is no fault of this host, the next one would fail in the same
 * way, and none is barred for it.
 */
export function isReplicated(cause: Cause | null): boolean {
  return cause !== null && codes.includes(cause.code);
}
