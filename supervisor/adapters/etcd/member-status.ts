import * as z from 'zod';
import { codeOf, HoldfastError } from '#contracts/errors.ts';
import type { EtcdMembers } from '../../runtime/ports.ts';
import { askGateway } from './gateway.ts';

/** etcd's default, `--quota-backend-bytes`; from 3.6 on a member tells its own. */
const defaultQuotaBytes = 2 * 2 ** 30;

/** 64-bit numbers come as text, and those that are 0 not at all. */
const answerSchema = z
  .object({
    header: z.object({ cluster_id: z.string(), member_id: z.string() }),
    version: z.string(),
    leader: z.string().default('0'),
    raftIndex: z.string().default('0'),
    dbSize: z.coerce.number().default(0),
    dbSizeQuota: z.coerce.number().default(0),
    errors: z.array(z.string()).default([]),
  })
  .transform(({ header, version, leader, raftIndex, dbSize, dbSizeQuota, errors }) => ({
    clusterId: header.cluster_id,
    memberId: header.member_id,
    version,
    /** The member that leads etcd; '0': this one sees none. */
    leader,
    raftIndex: BigInt(raftIndex),
    /** On disk, with what compaction has freed and defragmentation has not given back: what the quota counts. */
    dbBytes: dbSize,
    quotaBytes: dbSizeQuota || defaultQuotaBytes,
    /** As `alarm:NOSPACE`: while there is one, etcd refuses writes. Also other errors, as `etcdserver: no leader`. */
    alarms: errors.map((text) => text.trim()),
  }));

/** What a member of etcd says of itself. */
export type MemberStatus = z.infer<typeof answerSchema>;

/**
 * Through the HTTP gateway: the etcd3 package leaves out most of it.
 * @throws HoldfastError ETCD_STATUS_FORBIDDEN when the member answers and does not tell (from 3.5.28 and 3.6 on until
 *   etcd-io/etcd#21666, etcd tells it to users with the role root alone), or what else it refuses; GatewayRefusal when
 *   it answers otherwise; Error when it does not answer
 */
export async function memberStatus(etcd: EtcdMembers, endpoint: string): Promise<MemberStatus> {
  try {
    return answerSchema.parse(await askGateway(etcd, endpoint, '/v3/maintenance/status', {}));
  } catch (cause) {
    if (codeOf(cause) !== 'ETCD_PERMISSION_DENIED') throw cause;
    const user = etcd.username === undefined ? 'this host' : `the user ${etcd.username}`;
    const what = `${endpoint} answers, but does not tell its state to ${user}: how full it is, is not known`;
    throw new HoldfastError('ETCD_STATUS_FORBIDDEN', what, { cause });
  }
}
