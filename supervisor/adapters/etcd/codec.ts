import type { IKeyValue, IRangeResponse } from 'etcd3';
import type * as z from 'zod';
import { type AtRiskEntry, atRiskRecordSchema } from '../../core/records/at-risk.ts';
import { type Era, epochBaseOf, eraAfter, eraSchema, restoredSchema } from '../../core/records/era.ts';
import { departureSchema, type HistoryEntry, historySchema } from '../../core/records/history.ts';
import { hostRecordSchema } from '../../core/records/host.ts';
import {
  type OperationRecord,
  operationSchema,
  type Pause,
  storedPauseSchema,
  successorRecordSchema,
} from '../../core/records/operation.ts';
import {
  type ClusterView,
  formatSchema,
  type InSyncRecord,
  inSyncRecordSchema,
  type Leader,
  nodeRecordSchema,
  peerRecordSchema,
  type SingleKey,
  singleKeys,
  storedLeaderSchema,
  unreadableLeader,
} from '../../core/records/records.ts';
import { settingsRecordSchema } from '../../core/records/settings.ts';

/** Values larger than this are not ours. */
const maxValueBytes = 64 * 1024;

export type StoredKey = Pick<IKeyValue, 'key' | 'value' | 'mod_revision' | 'lease'>;

type Problems = { key: string; what: string }[];

/** Parses one value; what does not fit is reported with its key and left out. */
function parse<Schema extends z.ZodType>(
  kv: StoredKey,
  schema: Schema,
  problems: Problems,
): z.infer<Schema> | null {
  const key = kv.key.toString('utf8');
  if (kv.value.length > maxValueBytes) {
    problems.push({ key, what: `is ${kv.value.length} bytes long` });
    return null;
  }
  let value: unknown;
  try {
    value = JSON.parse(kv.value.toString('utf8'));
  } catch {
    problems.push({ key, what: 'is not JSON' });
    return null;
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  problems.push({ key, what: `${issue?.path.join('.') || 'value'}: ${issue?.message ?? 'invalid'}` });
  return null;
}

/** The leader by its key; one that cannot be read, or has no lease that would end it, is somebody that is not us. */
export function leaderOf(kv: StoredKey | undefined, problems: Problems): Leader | null {
  if (kv === undefined) return null;
  const { era, ...record } = leaderRecordOf(kv, problems) ?? unreadableRecord;
  return { ...record, epoch: epochBaseOf(era) + Number(kv.mod_revision), leaseId: kv.lease };
}

function leaderRecordOf(kv: StoredKey, problems: Problems): z.infer<typeof storedLeaderSchema> | null {
  const record = parse(kv, storedLeaderSchema, problems);
  if (record === null || kv.lease !== '0') return record;
  problems.push({ key: kv.key.toString('utf8'), what: 'hangs on no lease, so that it would never end' });
  return null;
}

const unreadableRecord: z.infer<typeof storedLeaderSchema> = {
  node: unreadableLeader,
  since: '',
  cause: 'unknown',
  handedOverBy: null,
  handOverCause: null,
  operationId: null,
  downMs: null,
  era: 0,
};

/** Keys whose last segment is the id that the value must name, so that one host cannot speak for another. */
function recordsOf<Record extends { node: string }>(
  range: IRangeResponse | undefined,
  schema: z.ZodType<Record>,
  problems: Problems,
): (Record & { leaseId: string })[] {
  const records: (Record & { leaseId: string })[] = [];
  for (const kv of range?.kvs ?? []) {
    const record = parse(kv, schema, problems);
    if (record === null) continue;
    const key = kv.key.toString('utf8');
    if (key.endsWith(`/${record.node}`)) records.push({ ...record, leaseId: kv.lease });
    else problems.push({ key, what: `names another node: ${record.node}` });
  }
  return records;
}

function hostsOf(
  range: IRangeResponse | undefined,
  problems: Problems,
): Pick<ClusterView, 'hosts' | 'unreadableHosts'> {
  const nodeOf = (kv: StoredKey) => kv.key.toString('utf8').split('/').at(-1) ?? '';
  const revisions = new Map(range?.kvs.map((kv) => [nodeOf(kv), Number(kv.mod_revision)]));
  const hosts = recordsOf(range, hostRecordSchema, problems).map(({ leaseId: _, ...record }) => {
    const modRevision = revisions.get(record.node) ?? 0;
    revisions.delete(record.node);
    return { ...record, modRevision };
  });
  return { hosts, unreadableHosts: Object.fromEntries(revisions) };
}

/** The folders of values that a view is read from, beside the single keys. */
export const viewFolders = ['nodes/', 'peers/', 'hosts/'] as const;
/** Of the history a view tells only whether there is any. */
export const historyFolder = 'history/';
export type ViewRanges = Partial<
  Record<SingleKey | (typeof viewFolders)[number] | typeof historyFolder, IRangeResponse | undefined>
>;

export interface ReadMoment {
  readonly revision: number;
  /** Boot time at which the read was sent, and the wall clock then. */
  readonly sentAtMs: number;
  readonly wallMs: number;
  /** The era that was read last: it goes on while the key cannot be read. */
  readonly knownEra: number;
}

export function viewOf(moment: ReadMoment, ranges: ViewRanges): ClusterView {
  const problems: Problems = [];
  const unreadable: SingleKey[] = [];
  const first = (key: SingleKey) => ranges[key]?.kvs[0];
  const read = <Schema extends z.ZodType>(key: SingleKey, schema: Schema) => {
    const kv = first(key);
    const value = kv === undefined ? null : parse(kv, schema, problems);
    if (kv !== undefined && value === null) unreadable.push(key);
    return value;
  };
  const leader = leaderOf(first('leader'), problems);
  if (leader?.node === unreadableLeader) unreadable.push('leader');
  const era = eraOf(read('era', eraSchema), unreadable, moment, leader);
  const inSync = read('insync', inSyncRecordSchema);
  const operation = read('operation', operationSchema);
  const paused = read('paused', storedPauseSchema)?.pause ?? null;
  const revisions = Object.fromEntries(singleKeys.map((key) => [key, modRevisionOf(ranges[key])])) as Record<
    SingleKey,
    number
  >;
  const everLed: readonly SingleKey[] = ['leader', 'insync', 'departure', 'era', 'restored', 'format'];
  return {
    revision: epochBaseOf(era) + moment.revision,
    era,
    restored: read('restored', restoredSchema),
    sentAtMs: moment.sentAtMs,
    leader,
    // An unreadable set lets nobody in.
    inSync:
      revisions.insync === 0 ? null : { ...(inSync ?? unreadableInSync), modRevision: revisions.insync },
    operation: operation && {
      ...operation,
      modRevision: revisions.operation,
      dueAtMs: dueAtMsOf(operation, moment.sentAtMs, moment.wallMs),
    },
    successor: read('successor', successorRecordSchema),
    departure: read('departure', departureSchema),
    settings: read('settings', settingsRecordSchema),
    // A pause that cannot be read is in force, and binds everybody.
    paused: unreadable.includes('paused') ? unreadablePause : paused,
    format: read('format', formatSchema),
    nodes: recordsOf(ranges['nodes/'], nodeRecordSchema, problems),
    peers: recordsOf(ranges['peers/'], peerRecordSchema, problems),
    ...hostsOf(ranges['hosts/'], problems),
    isNew: everLed.every((key) => revisions[key] === 0) && !everLedFolders.some((key) => hasAny(ranges[key])),
    revisions,
    unreadable,
    problems,
  };
}

/** Only hosts of a cluster that was led are in them. */
const everLedFolders = [historyFolder, 'hosts/'] as const;

const unreadableInSync: InSyncRecord = { members: [], epoch: 0, reason: 'the record cannot be read' };

const unreadablePause: Pause = {
  by: 'somebody',
  at: new Date(0).toISOString(),
  reason: 'the record cannot be read',
  leader: null,
};

/** While the key cannot be read, epochs go on in the era that was known: going back would look like a restore. */
function eraOf(
  era: Era | null,
  unreadable: readonly SingleKey[],
  { knownEra }: ReadMoment,
  leader: Leader | null,
): number {
  if (!unreadable.includes('era')) return era?.number ?? 0;
  return Math.max(knownEra, leader === null ? 0 : eraAfter(leader.epoch) - 1);
}

function hasAny(range: IRangeResponse | undefined): boolean {
  return Number(range?.count ?? 0) > 0 || (range?.kvs.length ?? 0) > 0;
}

/** Of the one key that was asked for; 0: it does not exist. */
export function modRevisionOf(range: IRangeResponse | undefined): number {
  return Number(range?.kvs[0]?.mod_revision ?? 0);
}

/** Null: there is none, or it cannot be read. */
export function atRiskOf([kv]: readonly StoredKey[]): AtRiskEntry {
  if (kv === undefined) return { record: null, modRevision: 0 };
  return { record: parse(kv, atRiskRecordSchema, []), modRevision: Number(kv.mod_revision) };
}

/** Oldest first. */
export function historyOf(kvs: readonly StoredKey[]): (HistoryEntry & { readonly key: Buffer })[] {
  return kvs
    .flatMap((kv) => {
      const record = parse(kv, historySchema, []);
      return record === null ? [] : [{ key: kv.key, record, modRevision: Number(kv.mod_revision) }];
    })
    .sort((a, b) => a.record.epoch - b.record.epoch);
}

/**
 * A switchover that begins at once is due whenever it is read, since the hosts' wall clocks may differ: it names the
 * leadership it was asked of, and is refused by any other. What has a time is reckoned anew with each read, since the
 * wall clock may be stepped meanwhile.
 */
function dueAtMsOf({ kind, at, requestedAt }: OperationRecord, sentAtMs: number, wallMs: number): number {
  if (kind === 'switchover' && at === null) return sentAtMs;
  return sentAtMs + (Date.parse(at ?? requestedAt) - wallMs);
}
