import * as z from 'zod';
import { epochSchema, positionSchema } from '../identities.ts';
import { lateMessageSchema } from '../lateness.ts';
import { rootsReportSchema } from '../roots.ts';
import { gatePermitSchema } from '../write-gate.ts';
import { heldSchema, hostAtRiskSchema } from './at-risk.ts';
import {
  quarantineAnswerSchema,
  quarantineBoundsSchema,
  quarantineRequestSchema,
  quarantineSummarySchema,
} from './quarantine.ts';

/**
 * Messages between the supervisor and its replicator, over the IPC channel of the child process. The replicator
 * runs on every host as long as the supervisor and does what it is told: lead, follow, or neither.
 */
export const replicatorSettingsSchema = z.object({
  cluster: z.string(),
  nodeId: z.string(),
  /** Where peers reach this host's replicator. */
  listenAddress: z.string(),
  listenPort: z.int(),
  configRoot: z.string(),
  filesRoot: z.string(),
  /** Peer key, highest epoch and position seen; mode 0700. */
  stateRoot: z.string(),
  /** What only a diverged host had is moved here; on the same file system as `filesRoot`. */
  quarantineRoot: z.string(),
  /** How much of it may lie there, and for how long. */
  quarantineBounds: quarantineBoundsSchema,
  /** Unix socket at which the doors of this host ask for changes. */
  engineSocket: z.string(),
  mode: z.enum(['sync', 'async', 'shared']),
  strict: z.boolean(),
  syncTimeoutMs: z.number().positive(),
  /** What a leader reads at most for a standby that compares or fetches files. */
  resyncBytesPerSecond: z.number().positive(),
  /** A comparison that would take away more than this share of the files (0 to 1) waits for an operator. */
  maxRemovalShare: z.number().min(0).max(1),
  logLevel: z.string(),
});
export type ReplicatorSettings = z.infer<typeof replicatorSettingsSchema>;

/** One host as etcd's `peers/<id>` and `nodes/<id>` tell it. */
export const peerSchema = z.object({
  nodeId: z.string(),
  address: z.string(),
  port: z.int(),
  /** OpenSSH one-line public key, the only one accepted from or presented to this peer. */
  publicKey: z.string(),
  /** Whether its supervisor holds a live lease: a member that is not alive is dropped without waiting. */
  alive: z.boolean(),
});
export type Peer = z.infer<typeof peerSchema>;

export const toReplicatorSchema = z.discriminatedUnion('type', [
  /** Always the first message; answered by `ready` or `failed`. */
  z.object({ type: z.literal('start'), settings: replicatorSettingsSchema }),
  /** The peers of the cluster without this host; repeated at every change. */
  z.object({ type: z.literal('peers'), peers: z.array(peerSchema) }),
  /** This host leads at `epoch`: order what its doors ask for and stream it to whoever follows. Idempotent. */
  z.object({
    type: z.literal('lead'),
    epoch: epochSchema,
    inSync: z.array(z.string()),
    /** The identity of the roots that may lead: with others, as after a disk was swapped, it is refused. */
    root: z.string(),
  }),
  /** Another host leads at `epoch`: connect to it and apply. Idempotent. */
  z.object({
    type: z.literal('follow'),
    epoch: epochSchema,
    leader: z.string(),
    /** As in `lead`; null: what this host holds counts for nothing until it was compared in full. */
    root: z.string().nullable(),
  }),
  /** Gives the roots a new identity, if theirs are still those that it replaces. */
  z.object({ type: z.literal('admit'), replaces: z.string(), at: z.int().nonnegative() }),
  /** Follower that is not in the in-sync set: fetch the files anew whose flush failed. */
  z.object({ type: z.literal('replace-failed-files') }),
  /** An operator lets the comparison that waits take away as many files as it said. */
  z.object({ type: z.literal('accept-removal'), files: z.int().nonnegative() }),
  /** Nobody leads, or this host is stepping down: neither send nor apply. */
  z.object({ type: z.literal('idle') }),
  /** The answer to `membership`: the in-sync set that etcd holds now. `accepted` is false when it did not change. */
  z.object({
    type: z.literal('membership-result'),
    requestId: z.int(),
    accepted: z.boolean(),
    inSync: z.array(z.string()),
  }),
  /** Opens or extends the write gate. It is shut in a process that starts, and shuts by itself at the end of its permit. */
  z.object({ type: z.literal('gate'), permit: gatePermitSchema }),
  /** Nothing is changed or acknowledged from now on, until the next permit. */
  z.object({ type: z.literal('shut-gate') }),
  /** Switchover, with the gate shut: answer `handoff` when `target` has applied and fsynced everything. */
  z.object({ type: z.literal('hand-off'), target: z.string() }),
  /** An operator asks about the quarantine, or discards of it; answered by `quarantine-answer` with the same id. */
  z.object({ type: z.literal('quarantine'), requestId: z.int(), request: quarantineRequestSchema }),
  /** An operator asks which host lacks what; answered by `at-risk-answer` with the same id. */
  z.object({ type: z.literal('at-risk'), requestId: z.int() }),
  /** Leader: what the leader before it knew of hosts that are not in sync. */
  z.object({ type: z.literal('held'), held: z.array(heldSchema) }),
  /** Answered by `pong`: whether the process lives, and the thread that orders. */
  z.object({ type: z.literal('ping'), id: z.int() }),
]);
export type ToReplicator = z.infer<typeof toReplicatorSchema>;

/** What a follower, or a leader about one follower, reports. */
export const peerProgressSchema = z.object({
  nodeId: z.string(),
  /** catching-up: it lacks something, or was to join the in-sync set and flushed nothing while changes waited for it. */
  state: z.enum(['away', 'catching-up', 'streaming']),
  /** The last position the peer has on disk. */
  acknowledged: positionSchema,
  /** Operations that the leader has ordered and that are not on the peer's disk. */
  lagOperations: z.int().nonnegative(),
  /**
   * Of the records, with data, that the peer has not received, those that the leader still has in memory: never more than
   * that holds, some 32 MiB. A peer that is further behind gets the rest from the log, without data, and how much that is
   * nobody counts; it is told by `lagOperations`, and on the peer itself by `resync`.
   */
  lagBytes: z.int().nonnegative(),
});
export type PeerProgress = z.infer<typeof peerProgressSchema>;

/** How far a follower is from being in sync: of names and files that are known of so far. */
export const resyncSchema = z.object({
  /** A directory counts once, with all below it. */
  uncertainNames: z.int().nonnegative(),
  incompleteFiles: z.int().nonnegative(),
  missingBytes: z.int().nonnegative(),
  /** Fetched from the leader, or found to be the same there, since the replicator started. */
  comparedBytes: z.int().nonnegative(),
});
export type Resync = z.infer<typeof resyncSchema>;

/** What of the config root is not in force on this host, or was undone there. */
export const configProblemSchema = z.object({
  /** Below the config root. */
  path: z.string(),
  code: z.string(),
  /** Names file, line and what is in force instead. */
  sentence: z.string(),
});
export type ConfigProblem = z.infer<typeof configProblemSchema>;
/** The first so many are told: the rest is met when these are mended. */
export const maxConfigProblems = 10;

export const fromReplicatorSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready'), publicKey: z.string(), port: z.int() }),
  z.object({ type: z.literal('failed'), code: z.string(), message: z.string() }),
  lateMessageSchema,
  /** From the control lane, which never waits for a disk (T2). */
  z.object({
    type: z.literal('pong'),
    id: z.int(),
    /** For how long the storage engine has said nothing, in milliseconds; 0: it is well. */
    engineSilentMs: z.number().nonnegative(),
  }),
  /** The standing report: at every change worth showing, at most ten a second, and once a second. */
  z.object({
    type: z.literal('status'),
    role: z.enum(['idle', 'leader', 'follower']),
    /** Highest epoch seen, stored durably before anything of it is applied. */
    highestEpoch: epochSchema,
    /** The highest that a follower told of and that this leader has not seen; 0: none. */
    toldEpoch: epochSchema,
    /** Last position that is on this host's disk. */
    position: positionSchema,
    /** Follower: whether it holds everything and receives the live stream. */
    caughtUp: z.boolean(),
    /** Digest of the config root (G4): SHA-256, hex; empty until first read. */
    configDigest: z.string(),
    configProblems: z.array(configProblemSchema).max(maxConfigProblems),
    /** Fingerprints of the host keys, as `ssh-keygen -l` prints them. */
    hostKeyFingerprints: z.array(z.string()),
    /** Follower: what it doubts, or lacks, of what it has consumed; null: nothing, or it does not follow. */
    resync: resyncSchema.nullable(),
    /** Leader: its followers. */
    peers: z.array(peerProgressSchema),
    /** Leader: hosts that may lack what was acknowledged, while one of them is away or catches up; null: not known yet. */
    atRisk: z.array(hostAtRiskSchema).nullable(),
    /** Paths moved to quarantine since start. */
    quarantined: z.int().nonnegative(),
    /** What lies there now; null: not known yet. */
    quarantine: quarantineSummarySchema.nullable(),
    /** The roots as they were found at the start, or written since. */
    roots: rootsReportSchema,
    /** A comparison that waits for an operator, since it would take away so many of so many files; null: none. */
    heldRemoval: z
      .object({ files: z.int().nonnegative(), of: z.int().nonnegative(), leader: z.string() })
      .nullable(),
    /** Files whose flush failed, and which are to be replaced (P6), and the path of one; null: none. */
    failedFiles: z.object({ files: z.int().positive(), first: z.string() }).nullable(),
  }),
  /**
   * Leader: change the in-sync set in etcd before anything is acknowledged that depends on it (G3, G5). The
   * supervisor answers `membership-result` with the same id.
   */
  z.object({
    type: z.literal('membership'),
    requestId: z.int(),
    /** The leadership that asks; the supervisor refuses what another one asked for. */
    epoch: epochSchema,
    change: z.enum(['add', 'remove']),
    nodeId: z.string(),
    reason: z.string(),
  }),
  z.object({ type: z.literal('quarantine-answer'), requestId: z.int(), answer: quarantineAnswerSchema }),
  /** Null: this host does not lead. */
  z.object({
    type: z.literal('at-risk-answer'),
    requestId: z.int(),
    hosts: z.array(hostAtRiskSchema).nullable(),
  }),
  z.object({ type: z.literal('handoff'), target: z.string(), complete: z.boolean(), reason: z.string() }),
]);
export type FromReplicator = z.infer<typeof fromReplicatorSchema>;
