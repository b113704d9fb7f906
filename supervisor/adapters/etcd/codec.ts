import type { IKeyValue, IRangeResponse } from 'etcd3';
import type * as z from 'zod';
import { epochBaseOf, eraSchema, restoredSchema } from '../../core/records/era.ts';
import { departureSchema, type HistoryRecord, historySchema } from '../../core/records/history.ts';
import {
  type Operation,
  type OperationRecord,
  operationSchema,
  pauseSchema,
  successorRecordSchema,
} from '../../core/records/operation.ts';
import {
  type ClusterView,
  inSyncRecordSchema,
  type Leader,
  nodeRecordSchema,
  peerRecordSchema,
  storedLeaderSchema,
  unreadableLeader,
} from '../../core/records/records.ts';
import { settingsRecordSchema } from '../../core/records/settings.ts';

/** Values larger than this are not ours. */
const maxValueBytes = 64 * 1024;

type Problems = { key: string; what: string }[];

/** Parses one value; what does not fit is reported with its key and left out. */
function parse<Schema extends z.ZodType>(
  kv: IKeyValue,
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

/** The leader by its key; one that cannot be read is somebody that is not us. */
export function leaderOf(kv: IKeyValue | undefined, problems: Problems): Leader | null {
  if (kv === undefined) return null;
  const { era, ...record } = parse(kv, storedLeaderSchema, problems) ?? {
    node: unreadableLeader,
    since: '',
    cause: 'unknown',
    handedOverBy: null,
    handOverCause: null,
    operationId: null,
    downMs: null,
    era: 0,
  };
  return { ...record, epoch: epochBaseOf(era) + Number(kv.mod_revision), leaseId: kv.lease };
}

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

/** The keys that hold one value each, and the folders of values: what a view is read from. */
export const viewKeys = [
  'leader',
  'insync',
  'operation',
  'successor',
  'paused',
  'departure',
  'era',
  'restored',
  'settings',
] as const;
export const viewFolders = ['nodes/', 'peers/'] as const;
export type ViewRanges = Partial<
  Record<(typeof viewKeys)[number] | (typeof viewFolders)[number], IRangeResponse | undefined>
>;

export interface ReadMoment {
  readonly revision: number;
  /** Boot time at which the read was sent, and the wall clock then. */
  readonly sentAtMs: number;
  readonly wallMs: number;
}

export function viewOf(moment: ReadMoment, ranges: ViewRanges): ClusterView {
  const problems: Problems = [];
  const single = <Schema extends z.ZodType>(kv: IKeyValue | undefined, schema: Schema) =>
    kv === undefined ? null : parse(kv, schema, problems);
  const first = (key: (typeof viewKeys)[number]) => ranges[key]?.kvs[0];
  const era = single(first('era'), eraSchema)?.number ?? 0;
  return {
    revision: epochBaseOf(era) + moment.revision,
    era,
    restored: single(first('restored'), restoredSchema),
    sentAtMs: moment.sentAtMs,
    leader: leaderOf(first('leader'), problems),
    inSync: inSyncOf(first('insync'), problems),
    operation: operationOf(first('operation'), moment, problems),
    successor: single(first('successor'), successorRecordSchema),
    departure: single(first('departure'), departureSchema),
    settings: single(first('settings'), settingsRecordSchema),
    paused: single(first('paused'), pauseSchema),
    nodes: recordsOf(ranges['nodes/'], nodeRecordSchema, problems),
    peers: recordsOf(ranges['peers/'], peerRecordSchema, problems),
    problems,
  };
}

/** Of the one key that was asked for; 0: it does not exist. */
export function modRevisionOf(range: IRangeResponse | undefined): number {
  return Number(range?.kvs[0]?.mod_revision ?? 0);
}

/** Oldest first. */
export function historyOf(kvs: readonly IKeyValue[]): { key: Buffer; record: HistoryRecord }[] {
  return kvs
    .flatMap((kv) => {
      const record = parse(kv, historySchema, []);
      return record === null ? [] : [{ key: kv.key, record }];
    })
    .sort((a, b) => a.record.epoch - b.record.epoch);
}

/** An unreadable set lets nobody in: losing the record must not look like a new cluster. */
function inSyncOf(kv: IKeyValue | undefined, problems: Problems): ClusterView['inSync'] {
  if (kv === undefined) return null;
  const unreadable = { members: [], epoch: 0, reason: 'the record cannot be read' };
  return {
    ...(parse(kv, inSyncRecordSchema, problems) ?? unreadable),
    modRevision: Number(kv.mod_revision),
  };
}

function operationOf(
  kv: IKeyValue | undefined,
  { sentAtMs, wallMs }: ReadMoment,
  problems: Problems,
): Operation | null {
  const record = kv === undefined ? null : parse(kv, operationSchema, problems);
  if (kv === undefined || record === null) return null;
  return { ...record, modRevision: Number(kv.mod_revision), dueAtMs: dueAtMsOf(record, sentAtMs, wallMs) };
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
