import type { Check } from '../violations.ts';
import { type DiskTree, hardLinksOf, type OnDisk } from './disk-tree.ts';

export interface TreeDifference {
  readonly check: Check;
  readonly path: string;
  readonly what: string;
}

/** Times are promised to the millisecond, and set as doubles of seconds. */
const sameTimeNs = 500_000n;

/** What a standby has otherwise than the leader. */
export function differencesOf(leader: DiskTree, standby: DiskTree): TreeDifference[] {
  const found: TreeDifference[] = [];
  for (const [path, there] of leader) {
    const here = standby.get(path);
    if (here === undefined) found.push({ check: 'equal-trees', path, what: `the ${there.kind} is missing` });
    else found.push(...differencesAt(path, there, here));
  }
  for (const [path, { kind }] of standby) {
    if (!leader.has(path))
      found.push({ check: 'equal-trees', path, what: `a ${kind} that the leader does not have` });
  }
  const here = hardLinksOf(standby);
  for (const names of hardLinksOf(leader)) {
    const [path = ''] = JSON.parse(names);
    if (!here.has(names)) found.push({ check: 'hard-links', path, what: `not the same file under ${names}` });
  }
  return found;
}

const timeChecks: Record<OnDisk['kind'], Check> = {
  file: 'file-times',
  folder: 'folder-times',
  link: 'link-times',
  other: 'equal-trees',
};

function differencesAt(path: string, leader: OnDisk, standby: OnDisk): TreeDifference[] {
  const compare = (what: string, there: unknown, here: unknown): TreeDifference[] =>
    there === here ? [] : [{ check: 'equal-trees', path, what: `${what} ${here}, on the leader ${there}` }];
  const found = [
    ...compare('kind', leader.kind, standby.kind),
    ...compare('mode', leader.attributes.mode.toString(8), standby.attributes.mode.toString(8)),
    ...compare('target', leader.target, standby.target),
  ];
  if (leader.kind !== standby.kind) return found;
  if (leader.digest !== standby.digest)
    found.push(
      ...compare(
        'content',
        `${leader.attributes.size} bytes ${leader.digest}`,
        `${standby.attributes.size} bytes ${standby.digest}`,
      ),
    );
  const apart = leader.modifiedNs - standby.modifiedNs;
  if ((apart < 0n ? -apart : apart) > sameTimeNs)
    found.push({ check: timeChecks[leader.kind], path, what: `its time is ${Number(apart) / 1e6} ms off` });
  return found;
}
