import type { IKeyValue, IRangeResponse } from 'etcd3';
import type * as z from 'zod';
import {
  type ClusterView,
  inSyncRecordSchema,
  type Leader,
  leaderRecordSchema,
  nodeRecordSchema,
  peerRecordSchema,
  unreadableLeader,
} from '../../cluster/records.ts';

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
  const record = parse(kv, leaderRecordSchema, problems) ?? {
    node: unreadableLeader,
    since: '',
    cause: 'unknown',
    handedOverBy: null,
  };
  return { ...record, epoch: Number(kv.mod_revision), leaseId: kv.lease };
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

/** Builds the view from the answers to the ranges leader, insync, nodes/, peers/, in this order. */
export function viewOf(
  revision: number,
  sentAtMs: number,
  ranges: readonly (IRangeResponse | undefined)[],
): ClusterView {
  const [leader, inSync, nodes, peers] = ranges;
  const problems: Problems = [];
  const inSyncKv = inSync?.kvs[0];
  const inSyncRecord = inSyncKv === undefined ? null : parse(inSyncKv, inSyncRecordSchema, problems);
  return {
    revision,
    sentAtMs,
    leader: leaderOf(leader?.kvs[0], problems),
    inSync:
      inSyncKv === undefined
        ? null
        : {
            // An unreadable set lets nobody in: losing the record must not look like a new cluster.
            ...(inSyncRecord ?? { members: [], epoch: 0, reason: 'the record cannot be read' }),
            modRevision: Number(inSyncKv.mod_revision),
          },
    nodes: recordsOf(nodes, nodeRecordSchema, problems),
    peers: recordsOf(peers, peerRecordSchema, problems),
    problems,
  };
}
