import type { HostStatus, Status } from '../../../../supervisor/control/status.ts';

/** A host that is well, in sync and a standby. */
export function hostOf(node: string, parts: Partial<HostStatus> = {}): HostStatus {
  return {
    node,
    role: 'standby',
    inSync: true,
    position: { epoch: 200, sequence: 5 },
    replication: null,
    resync: null,
    priority: 100,
    version: '1.0.0',
    ineligible: [],
    health: [],
    configDigest: 'd',
    ...parts,
  };
}

/** What a tells of a cluster of three that is well and that a leads. */
export function statusOfA(parts: Partial<Status> = {}): Status {
  return {
    cluster: 'lab',
    node: 'a',
    version: '1.0.0',
    phase: 'leading',
    epoch: 200,
    view: { ageMs: 300, staleAfterMs: 3000, etcdAnswers: true },
    leader: { node: 'a', epoch: 200, since: '2026-11-26T03:00:00.000Z', cause: 'claimed' },
    leaseLeftMs: 2700,
    vips: ['10.0.0.100/24'],
    inSync: ['a', 'b', 'c'],
    operation: null,
    paused: null,
    sftpPort: 2222,
    hosts: [hostOf('a', { role: 'leader' }), hostOf('b'), hostOf('c')],
    health: [],
    heldRemoval: null,
    quarantine: null,
    settings: {},
    ineligible: [],
    activity: { sessions: 1, transfers: 0, dropped: 0 },
    latenessMs: {},
    processes: { supervisor: 1, sftpNode: 2, replicator: 3 },
    problems: [],
    ...parts,
  };
}

/** The same cluster, as its standby b tells it. */
export function statusOfB(parts: Partial<Status> = {}): Status {
  return statusOfA({ node: 'b', phase: 'standby', epoch: 0, ...parts });
}

/** etcd has not answered for 12 s. */
export const old = { ageMs: 12_000, staleAfterMs: 3000, etcdAnswers: false } as const;
export const never = { ageMs: null, staleAfterMs: 3000, etcdAnswers: false } as const;

export function reason(code: string) {
  return { code, sentence: `the reason ${code}` };
}

export function fact(code: string, level: 'warn' | 'bad' = 'warn') {
  return { name: `fact ${code}`, level, code, detail: `the detail of ${code}` };
}
