import { HoldfastError, messageOf } from '#contracts/errors.ts';
import { memberStatus } from '../adapters/etcd/member-status.ts';
import type { Config } from '../config/schema.ts';
import { spaceProblem } from '../health/checks/etcd-space.ts';
import { type Finding, fine, wrong } from './finding.ts';

/** Each member of etcd, asked by itself: the cluster works with a majority, and one that is lost is not noticed. */
export async function examineEtcd({ etcd }: Config): Promise<Finding[]> {
  const members = await Promise.all(etcd.endpoints.map((endpoint) => examineMember(etcd, endpoint)));
  const isLost = ({ code }: Finding) => code === 'ETCD_UNREACHABLE';
  if (members.filter(isLost).length * 2 >= members.length) return members;
  // The others go on without it.
  return members.map((member) => (isLost(member) ? { ...member, level: 'warning' } : member));
}

async function examineMember(etcd: Config['etcd'], endpoint: string): Promise<Finding> {
  const about = `etcd ${endpoint}`;
  try {
    const status = await memberStatus(etcd, endpoint);
    const { version, leader } = status;
    if (leader === '0') return wrong('error', about, 'ETCD_UNREACHABLE', `${endpoint} sees no etcd leader`);
    const space = spaceProblem(status, endpoint);
    if (space !== null) {
      const level = space.code === 'ETCD_ALARM' ? 'error' : 'warning';
      return wrong(level, about, space.code, space.sentence);
    }
    if (endsLeasesEarly(version)) {
      const what = `etcd ${version} may end live leases when a member was frozen: 3.4.29 and 3.5.11 do not`;
      return wrong('warning', about, 'ETCD_TOO_OLD', what);
    }
    return fine(about, `version ${version}`);
  } catch (error) {
    if (error instanceof HoldfastError) {
      const level = error.code === 'ETCD_STATUS_FORBIDDEN' ? 'warning' : 'error';
      return wrong(level, about, error.code, error.message);
    }
    return wrong('error', about, 'ETCD_UNREACHABLE', `${endpoint}: ${messageOf(error)}`);
  }
}

/** etcd-io/etcd#15247, mended in 3.4.29, 3.5.11 and 3.6. */
export function endsLeasesEarly(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  if (major !== 3) return major < 3;
  return minor < 4 || (minor === 4 && patch < 29) || (minor === 5 && patch < 11);
}
