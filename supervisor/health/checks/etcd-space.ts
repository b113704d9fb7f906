import type { MemberStatus } from '../../adapters/etcd/member-status.ts';
import type { Cause } from '../../core/cause.ts';
import type { HealthFact } from '../../runtime/ports.ts';

/** Of the quota, when it is time to act. */
const highWaterMark = 0.8;

/**
 * Whether a member has room to write. One that is full refuses every write until an operator has made room, so that
 * nobody can take over; and without compaction it fills by itself, since etcd keeps what was overwritten.
 */
export function spaceProblem(status: MemberStatus, endpoint: string): Cause | null {
  // A member tells other errors in the same place, as that it sees no leader.
  const alarms = status.alarms.filter((text) => text.includes('alarm:'));
  if (alarms.length > 0) {
    const sentence = `${endpoint} refuses writes: ${alarms.join(', ')}`;
    return { code: 'ETCD_ALARM', sentence };
  }
  const { dbBytes, quotaBytes } = status;
  if (dbBytes < quotaBytes * highWaterMark) return null;
  const sentence = `${endpoint} holds ${mebibytes(dbBytes)} of the ${mebibytes(quotaBytes)} that it may`;
  return { code: 'ETCD_SPACE_LOW', sentence };
}

/** Null when there is nothing to tell. */
export function etcdSpaceFact(status: MemberStatus, endpoint: string): HealthFact | null {
  const problem = spaceProblem(status, endpoint);
  if (problem === null) return null;
  return { name: `etcd ${endpoint}`, level: 'warn', code: problem.code, detail: problem.sentence };
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
