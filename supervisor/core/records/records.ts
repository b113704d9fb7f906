import * as z from 'zod';
import { type Epoch, epochSchema, type NodeId, nodeIdSchema, positionSchema } from '#contracts/identities.ts';
import { resyncSchema } from '#contracts/ipc/replicator.ts';
import { causeSchema } from '../cause.ts';
import type { Restored } from './era.ts';
import type { Departure } from './history.ts';
import type { StoredHost } from './host.ts';
import type { Operation, Pause, SuccessorRecord } from './operation.ts';
import { clusterSettingsSchema, type SettingsRecord } from './settings.ts';

/**
 * The values under `/holdfast/<cluster>/` in etcd, JSON each. Of records that are read, changed and written back
 * (`operation`, `paused`, `history/<epoch>`) the fields of newer releases are kept; of others they are dropped.
 */

/**
 * `leader`, on the lease of the leader. The epoch is the key's mod_revision, counted from the beginning of the era, so
 * it is not in the value.
 */
export const leaderRecordSchema = z.object({
  node: nodeIdSchema,
  /** Wall clock, ISO 8601; for people alone. */
  since: z.string(),
  /** Why it came to lead: `claimed`, `handed over by a`, `sftp-node restarted`. */
  cause: z.string(),
  /** The host that handed over in an orderly way: the virtual IP was on it, and is off. Null after a claim. */
  handedOverBy: nodeIdSchema.nullable(),
  handOverCause: causeSchema.nullable().default(null),
  /** The operation that moved it here. */
  operationId: z.string().nullable().default(null),
  /** How long clients had been shut out when it was handed over, in milliseconds; null after a claim. */
  downMs: z.number().nullable().default(null),
});
export type LeaderRecord = z.infer<typeof leaderRecordSchema>;

/** As etcd has it: with the era in which it was written. */
export const storedLeaderSchema = leaderRecordSchema.extend({ era: z.int().nonnegative().default(0) });

/** `nodes/<id>`, on the lease of that host: it is there while its supervisor lives. */
export const nodeRecordSchema = z.object({
  node: nodeIdSchema,
  version: z.string(),
  priority: z.int(),
  noFailover: z.boolean(),
  /** Last position on the host's disk, and whether it follows the live stream. */
  position: positionSchema,
  caughtUp: z.boolean(),
  configDigest: z.string(),
  hostKeyFingerprints: z.array(z.string()),
  /** Those that must be alike on every host; empty: of a release that does not tell them. */
  settings: clusterSettingsSchema.default({}),
  /** Hardware addresses that answer for the virtual IPs while this host leads. */
  linkAddresses: z.array(z.string()).default([]),
  /** The leadership after which this host is ready to take over, with its SFTP node loaded; 0: none. */
  preparedFor: epochSchema.default(0),
  /** The leadership under which this host serves clients; 0: it does not. */
  serving: epochSchema.default(0),
  /** Why this host may not take over now; empty when it may. */
  ineligible: z.array(causeSchema),
  health: z.array(
    z.object({
      name: z.string(),
      level: z.enum(['ok', 'warn', 'bad']),
      code: z.string().default(''),
      detail: z.string(),
    }),
  ),
  /** Standby: how far it is from being in sync, as of some seconds ago; null: it lacks nothing, or does not follow. */
  resync: resyncSchema
    .omit({ comparedBytes: true })
    .extend({
      bytesPerSecond: z.number().nonnegative().nullable(),
      secondsLeft: z.number().nonnegative().nullable(),
    })
    .nullable()
    .default(null),
  /** The wall clock of that host when this was written; written again at least every half minute. */
  wallClockMs: z.number().optional(),
});
export type NodeRecord = z.infer<typeof nodeRecordSchema>;

/** `peers/<id>`, kept without a lease: where the replicator of a host is and the key that proves it. */
export const peerRecordSchema = z.object({
  node: nodeIdSchema,
  address: z.string(),
  port: z.int(),
  publicKey: z.string(),
});
export type PeerRecord = z.infer<typeof peerRecordSchema>;

/** `insync`: the hosts that hold everything that was acknowledged, and so may take over (G5). */
export const inSyncRecordSchema = z.object({
  members: z.array(nodeIdSchema),
  /** The leadership that wrote it. */
  epoch: epochSchema,
  /** The last change, for people: `removed c: no acknowledgement for 2000 ms`. */
  reason: z.string(),
});
export type InSyncRecord = z.infer<typeof inSyncRecordSchema>;

/** The leader as etcd tells it. */
export interface Leader extends LeaderRecord {
  readonly epoch: Epoch;
  /** Decimal, as etcd3 gives 64-bit numbers; `0` when the key has no lease. */
  readonly leaseId: string;
}

/** A node that is present, with the lease that its leadership would hang on. */
export interface LiveNode extends NodeRecord {
  readonly leaseId: string;
}

/** The keys that hold one value each. */
export const singleKeys = [
  'leader',
  'insync',
  'operation',
  'successor',
  'paused',
  'departure',
  'era',
  'restored',
  'format',
  'settings',
] as const;
export type SingleKey = (typeof singleKeys)[number];

/**
 * `format`: what the values mean, kept without a lease since the first leader of the cluster. A release takes part only
 * in a format that it knows. The key also tells that the cluster has had a leader.
 */
export const formatSchema = z.looseObject({ version: z.int().positive(), by: nodeIdSchema });
export type Format = z.infer<typeof formatSchema>;
/** History: 1, the first that is written down. */
export const formatVersion = 1;

/** One consistent read of the whole cluster state, at one etcd revision. */
export interface ClusterView {
  /** Counted from the beginning of the era, as epochs are. */
  readonly revision: number;
  readonly era: number;
  /** Etcd went back to an older snapshot, and no operator has accepted that yet. */
  readonly restored: Restored | null;
  /** Boot time at which the read was sent: what it says was true at some moment after. */
  readonly sentAtMs: number;
  readonly leader: Leader | null;
  readonly inSync: (InSyncRecord & { readonly modRevision: number }) | null;
  readonly successor: SuccessorRecord | null;
  readonly operation: Operation | null;
  readonly paused: Pause | null;
  /** Of the last leader that went without handing over. */
  readonly departure: Departure | null;
  /** What the last leader led with; null: none has told. */
  readonly settings: SettingsRecord | null;
  readonly nodes: readonly LiveNode[];
  readonly peers: readonly PeerRecord[];
  /** Null: no leader of a release that writes it has led yet. */
  readonly format: Format | null;
  /** Nobody has ever led this cluster, by all that etcd holds: the one time that a host may lead without an in-sync set. */
  readonly isNew: boolean;
  /** Where each key was last written, for compare-and-swap; 0: it does not exist. */
  readonly revisions: Readonly<Record<SingleKey, number>>;
  /** Keys that are there and cannot be read. What they would forbid is forbidden until an operator mends them. */
  readonly unreadable: readonly SingleKey[];
  /** What each host held last. */
  readonly hosts: readonly StoredHost[];
  /** Where what cannot be read of a host was last written; the host writes it again. */
  readonly unreadableHosts: Readonly<Record<NodeId, number>>;
  /** Keys whose value is not what Holdfast writes: reported, never trusted. */
  readonly problems: readonly { readonly key: string; readonly what: string }[];
}

/** Who leads when the leader key cannot be read: somebody that is not us. */
export const unreadableLeader: NodeId = 'unreadable';
