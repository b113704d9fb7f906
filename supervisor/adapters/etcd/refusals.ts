import type { ErrorCode } from '#contracts/errors.ts';
import { messageOf } from '#contracts/errors.ts';

/** A member that answered, and said no: asking again later will not help, an operator has to act. */
export interface Refusal {
  readonly code: ErrorCode;
  /** Etcd decides it in the one order of its log, so that every other member would say the same. */
  readonly isFinal: boolean;
}

/**
 * By the words of etcd, which are part of its API (`api/v3rpc/rpctypes/error.go`) and, unlike the status of gRPC, tell
 * one refusal from another. What is not here (no leader, leader changed, timed out, unavailable) is no answer.
 *
 * A member judges by itself who logs in, what its disk holds, how busy it is and how large a request may be: another
 * one may take what this one refused.
 */
const refusals: readonly (Refusal & { readonly words: RegExp })[] = [
  { words: /etcdserver: permission denied/, code: 'ETCD_PERMISSION_DENIED', isFinal: true },
  { words: /etcdserver: requested lease not found/, code: 'LEASE_LOST', isFinal: true },
  { words: /etcdserver: too large lease TTL/, code: 'ETCD_TTL_REFUSED', isFinal: true },
  { words: /etcdserver: authentication failed/, code: 'ETCD_AUTH_FAILED', isFinal: false },
  { words: /etcdserver: authentication is not enabled/, code: 'ETCD_AUTH_FAILED', isFinal: false },
  { words: /etcdserver: user name (is empty|not found)/, code: 'ETCD_AUTH_FAILED', isFinal: false },
  { words: /etcdserver: invalid auth token/, code: 'ETCD_AUTH_FAILED', isFinal: false },
  {
    words: /revision of auth store is old|revision in header is old/,
    code: 'ETCD_AUTH_FAILED',
    isFinal: false,
  },
  { words: /etcdserver: mvcc: database space exceeded/, code: 'ETCD_NO_SPACE', isFinal: false },
  { words: /etcdserver: corrupt cluster/, code: 'ETCD_ALARM', isFinal: false },
  { words: /etcdserver: too many requests/, code: 'ETCD_OVERLOADED', isFinal: false },
  { words: /etcdserver: request is too large/, code: 'ETCD_REQUEST_REFUSED', isFinal: false },
  { words: /etcdserver: too many operations in txn/, code: 'ETCD_REQUEST_REFUSED', isFinal: false },
  { words: /INVALID_ARGUMENT: etcdserver:/, code: 'ETCD_REQUEST_REFUSED', isFinal: true },
];

/** Null: it was no answer, and another member, or a later try, may give one. */
export function refusalOf(error: unknown): Refusal | null {
  const text = messageOf(error);
  return refusals.find(({ words }) => words.test(text)) ?? null;
}
