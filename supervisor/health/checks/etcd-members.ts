import { GatewayRefusal } from '../../adapters/etcd/gateway.ts';
import { type MemberStatus, memberStatus } from '../../adapters/etcd/member-status.ts';
import type { EtcdMembers, HealthFact } from '../../runtime/ports.ts';
import { etcdSpaceFact } from './etcd-space.ts';

/** What became of asking one member of etcd. */
export interface MemberLook {
  readonly endpoint: string;
  /** Null: it did not answer, or would not tell. */
  readonly status: MemberStatus | null;
  /** Why it does not count for a majority; null when it does. */
  readonly trouble: string | null;
}

/** Asks each member by itself: the cluster works with a majority, and one that is lost is not noticed. Never rejects. */
export function lookAtMembers(etcd: EtcdMembers): Promise<MemberLook[]> {
  return Promise.all(etcd.endpoints.map((endpoint) => lookAt(etcd, endpoint)));
}

async function lookAt(etcd: EtcdMembers, endpoint: string): Promise<MemberLook> {
  try {
    const status = await memberStatus(etcd, endpoint);
    return { endpoint, status, trouble: status.leader === '0' ? 'sees no etcd leader' : null };
  } catch (error) {
    // One that refuses to tell of itself lives: whether it works with the others is not known.
    // In the same words on every host and each time, since it is published: `doctor` has what the socket said.
    const trouble = error instanceof GatewayRefusal ? null : 'does not answer';
    return { endpoint, status: null, trouble };
  }
}

/** Each member that is not well, by name, and how many more may be lost. */
export function etcdFacts(looks: readonly MemberLook[]): HealthFact[] {
  return [...looks.flatMap(memberFacts), majorityFact(looks)];
}

function memberFacts({ endpoint, status, trouble }: MemberLook): HealthFact[] {
  const space = status === null ? null : etcdSpaceFact(status, endpoint);
  const facts = space === null ? [] : [space];
  if (trouble === null) return facts;
  return [
    ...facts,
    { name: `etcd ${endpoint}`, level: 'warn', code: 'ETCD_MEMBER_DOWN', detail: `${endpoint} ${trouble}` },
  ];
}

/** While one more may be lost nothing is said; with the last that may not be, a warning: nobody could lead then. */
function majorityFact(looks: readonly MemberLook[]): HealthFact {
  const name = 'etcd majority';
  const working = looks.filter(({ trouble }) => trouble === null);
  const needed = Math.floor(looks.length / 2) + 1;
  const count = `${working.length} of ${looks.length} etcd member(s) work`;
  if (working.length < needed) {
    const detail = `${count}, ${needed} are needed: nobody can lead`;
    return { name, level: 'bad', code: 'ETCD_NO_MAJORITY', detail };
  }
  if (working.length === needed) {
    const detail = `${count}: if one more dies nobody can lead`;
    return { name, level: 'warn', code: 'ETCD_NO_SPARE', detail };
  }
  return { name, level: 'ok', code: '', detail: count };
}
