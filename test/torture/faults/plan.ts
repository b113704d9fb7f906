import type { Random } from '../../sim/timeline.ts';

/** What can befall a host, or all of them. */
export const faultKinds = [
  'supervisor killed',
  'SFTP node killed',
  'replicator killed',
  'processes frozen',
  'network cut',
  'link down',
  'disk full',
  'switchover',
  'host dead',
  'two failovers',
  'host replaced',
  'etcd member dead',
  'power cut',
  'power cut everywhere',
  'clock stepped',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** Told by roles when it begins, so that a plan does not depend on who leads. */
export const roles = ['the leader', 'a standby', 'the other standby'] as const;
export type Role = (typeof roles)[number];

export interface Fault {
  readonly kind: FaultKind;
  readonly role: Role;
  /** How long it lasts, where it does. */
  readonly ms: number;
  readonly direction: 'in' | 'out' | 'both';
  /** What is cut off. */
  readonly traffic: 'etcd' | 'replication' | 'sftp' | 'all';
  readonly frozen: readonly ProcessName[];
  /** Cleaned up after at once, as systemd does, and not by the end of the lease. */
  readonly isReleased: boolean;
  readonly clockSeconds: number;
  /** The operator lets transfers end first. */
  readonly drains: boolean;
}

export const processNames = ['supervisor', 'sftpNode', 'replicator'] as const;
export type ProcessName = (typeof processNames)[number];

/** Faults that begin at the same time, and the time before the next ones. */
export interface Round {
  readonly faults: readonly Fault[];
  readonly pauseMs: number;
}

/** Those that may come upon one host while something else happens to another: no disk is lost for good. */
const mayCoincide: readonly FaultKind[] = [
  'supervisor killed',
  'SFTP node killed',
  'replicator killed',
  'processes frozen',
  'network cut',
  'etcd member dead',
  'power cut',
];
/** Longer and shorter than a lease of three seconds; shorter than clients wait for an answer. */
const lasting = { least: 50, most: 5000 };

/** Endless; each kind comes once before one comes again. */
export function* drawRounds(
  random: Random,
  kinds: readonly FaultKind[] = faultKinds,
): Generator<Round, never> {
  for (;;) {
    for (const kind of shuffled(kinds, random)) {
      const fault = drawFault(kind, random.chance(0.6) ? 'the leader' : random.pick(roles), random);
      const companions = mayCoincide.filter((each) => kinds.includes(each));
      const coincides = mayCoincide.includes(kind) && companions.length > 0 && random.chance(0.25);
      const others = roles.filter((role) => role !== fault.role);
      const second = coincides ? [drawFault(random.pick(companions), random.pick(others), random)] : [];
      yield { faults: [fault, ...second], pauseMs: Math.round(random.between(500, 6000)) };
    }
  }
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, order: random.next() }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ item }) => item);
}

function drawFault(kind: FaultKind, role: Role, random: Random): Fault {
  const frozen = processNames.filter(() => random.chance(0.5));
  return {
    kind,
    role,
    ms: Math.round(random.between(lasting.least, lasting.most)),
    direction: random.pick(['in', 'out', 'both']),
    traffic: random.pick(['etcd', 'replication', 'sftp', 'all']),
    frozen: frozen.length > 0 ? frozen : processNames,
    isReleased: random.chance(0.5),
    clockSeconds: random.pick([-3600, -5, 5, 3600]),
    drains: random.chance(0.3),
  };
}

export function shownFault(fault: Fault): string {
  const { kind, role, ms, direction, traffic, frozen, isReleased, clockSeconds, drains } = fault;
  const details: Partial<Record<FaultKind, string>> = {
    'supervisor killed': `${isReleased ? 'released, ' : ''}back after ${ms} ms`,
    'processes frozen': `${frozen.join(', ')} for ${ms} ms`,
    'network cut': `${traffic}, ${direction}, for ${ms} ms`,
    'link down': `for ${ms} ms`,
    'disk full': `for ${ms} ms`,
    ...(drains ? { switchover: 'with a drain' } : {}),
    'host dead': `for ${ms} ms`,
    'etcd member dead': `for ${ms} ms`,
    'power cut': `back after ${ms} ms`,
    'power cut everywhere': `back after ${ms} ms`,
    'clock stepped': `by ${clockSeconds} s for ${ms} ms`,
  };
  const detail = details[kind];
  const concernsAll = kind === 'power cut everywhere' || kind === 'two failovers' || kind === 'switchover';
  return `${concernsAll ? '' : `${role}: `}${kind}${detail === undefined ? '' : ` (${detail})`}`;
}
