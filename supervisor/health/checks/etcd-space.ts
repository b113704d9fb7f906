import { HoldfastError } from '#contracts/errors.ts';
import { type MemberStatus, memberStatus } from '../../adapters/etcd/member-status.ts';
import type { Cause } from '../../core/cause.ts';
import type { EtcdMembers, HealthFact } from '../../runtime/ports.ts';

/** Of the quota, when it is time to act. */
const highWaterMark = 0.8;

/**
 * Whether a member has room to write. One that is full refuses every write until an operator has made room, so that
 * nobody can take over; and without compaction it fills by itself, since etcd keeps what was overwritten.
 */
export function spaceProblem(status: MemberStatus, endpoint: string): Cause | null {
  if (status.alarms.length > 0) {
    const sentence = `${endpoint} refuses writes: ${status.alarms.join(', ')}`;
    return { code: 'ETCD_ALARM', sentence };
  }
  const { dbBytes, quotaBytes } = status;
  if (dbBytes < quotaBytes * highWaterMark) return null;
  const sentence = `${endpoint} holds ${mebibytes(dbBytes)} of the ${mebibytes(quotaBytes)} that it may`;
  return { code: 'ETCD_SPACE_LOW', sentence };
}

/**
 * Null when there is nothing to tell; also when the member does not answer, which the lease tells. One that refuses to
 * tell may be full.
 */
export async function etcdSpaceFact(etcd: EtcdMembers, endpoint: string): Promise<HealthFact | null> {
  const problem = await memberStatus(etcd, endpoint).then(
    (status) => spaceProblem(status, endpoint),
    (error) => (error instanceof HoldfastError ? { code: error.code, sentence: error.message } : null),
  );
  if (problem === null) return null;
  return { name: `etcd ${endpoint}`, level: 'warn', code: problem.code, detail: problem.sentence };
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
