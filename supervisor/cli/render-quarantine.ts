import type {
  QuarantineDetail,
  QuarantineEntry,
  QuarantineReason,
  QuarantineSummary,
} from '#contracts/ipc/quarantine.ts';
import { table } from './table.ts';

const reasons: Record<QuarantineReason, string> = {
  'only-here': 'only here',
  differs: 'differs',
  'host-keys': 'host keys',
  unknown: 'not recorded',
};

const sentences: Record<QuarantineReason, string> = {
  'only-here': 'only this host had it',
  differs: 'the leader had another in its place',
  'host-keys': 'the leader had other host keys',
  unknown: 'not recorded',
};

/** `holdfast replication quarantine list` for people. */
export function renderList(
  node: string,
  summary: QuarantineSummary | null,
  entries: readonly QuarantineEntry[],
  elsewhere: readonly { readonly node: string; readonly detail: string }[],
): string {
  const rows = entries.map(({ id, at, type, bytes, reason, path }) => [
    id,
    at.replace(/\.\d+Z$/, 'Z'),
    type,
    bytes === null ? '?' : byteSize(bytes),
    reasons[reason],
    path,
  ]);
  return [
    summaryLine(node, summary),
    ...(rows.length === 0 ? [] : [table(['Id', 'Set aside', 'Type', 'Size', 'Why', 'Path'], rows)]),
    ...omitted(summary, entries.length),
    ...elsewhere.map((other) => `on ${other.node}: ${other.detail}`),
  ].join('\n');
}

function summaryLine(node: string, summary: QuarantineSummary | null): string {
  if (summary === null || summary.entries === 0) return `on ${node}: nothing lies in quarantine`;
  const { entries, bytes, oldestAt, maxBytes, maxAgeMs, isComplete } = summary;
  const more = isComplete ? '' : ' or more (it is still being looked through)';
  return `on ${node}: ${countAndSize(entries, bytes)} on disk${more}, the oldest since ${oldestAt}; kept: at most ${byteSize(maxBytes)} and ${Math.round(maxAgeMs / 86_400_000)} days`;
}

function omitted(summary: QuarantineSummary | null, shown: number): string[] {
  const before = (summary?.entries ?? 0) - shown;
  return before <= 0 ? [] : [`and ${before} older: see \`--last ${shown + before}\``];
}

/** `holdfast replication quarantine show` for people. */
export function renderDetail(entry: QuarantineDetail, root: string): string {
  const { inService, content, isWhole } = entry;
  const size = entry.bytes === null ? 'not known yet' : byteSize(entry.bytes);
  const names = entry.type === 'folder' && entry.files !== null ? ` in ${entry.files} names` : '';
  const lines = [
    ['id', entry.id],
    ['path', entry.path],
    ['set aside', entry.at],
    ['why', sentences[entry.reason]],
    [
      'judged by',
      entry.epoch === null
        ? 'not recorded'
        : `${entry.leader ?? 'a leader not recorded'}, which led at epoch ${entry.epoch}`,
    ],
    ['told stored', entry.acknowledged === null ? 'not known' : entry.acknowledged ? 'yes' : 'no'],
    ['type', entry.type],
    ['size', `${size}${names}`],
    ['changed', entry.modifiedAt],
    ['mode', entry.mode.toString(8).padStart(4, '0')],
    ['lies in', `${root}/${entry.place.replaceAll(/[^\x20-\x7e]/g, '?')}`],
    [
      'in service',
      inService === null
        ? 'nothing at its path on this host now'
        : `${inService.type}, ${byteSize(inService.bytes)}, changed ${inService.modifiedAt}`,
    ],
  ].map(([name, value]) => `${`${name}:`.padEnd(13)}${value}`);
  const inside = content.map(
    ({ path, type, bytes }) => `  ${path}${type === 'file' ? `  ${byteSize(bytes)}` : `  (${type})`}`,
  );
  return [
    ...lines,
    ...(inside.length > 0 ? ['content:'] : []),
    ...inside,
    ...(isWhole ? [] : ['  ...']),
  ].join('\n');
}

export function countAndSize(entries: number, bytes: number): string {
  return `${entries} thing(s), ${byteSize(bytes)}`;
}

export function byteSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let [size, unit] = [bytes, 0];
  for (; size >= 10_000 && unit < units.length - 1; unit++) size /= 1000;
  return `${Math.round(size)} ${units[unit]}`;
}
