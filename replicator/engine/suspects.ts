import type { LogRecord, SuspectName, SuspectRange } from '../core/record.ts';

type Suspect = Extract<LogRecord, { kind: 'suspect' }>;

const maxBytes = 256 * 1024;
/** More than this is said in one word: everything is suspect. */
const maxRecords = 1024;

/** What is doubted, in records that fit into a batch each. */
export function suspectRecords({ names, ranges }: Suspect): Suspect[] {
  const records: Suspect[] = [
    ...chunks(names, ({ path }) => path.length + 16).map((part) => suspect(part, [])),
    ...chunks(ranges, sizeOfRange).map((part) => suspect([], part)),
  ];
  if (records.length <= maxRecords) return records;
  return [suspect([{ path: Buffer.alloc(0), scope: 'tree' }], [])];
}

function suspect(names: readonly SuspectName[], ranges: readonly SuspectRange[]): Suspect {
  return { kind: 'suspect', names, ranges };
}

function sizeOfRange({ paths }: SuspectRange): number {
  return paths.reduce((bytes, { length }) => bytes + length + 8, 32);
}

function chunks<T>(items: readonly T[], sizeOf: (item: T) => number): T[][] {
  const parts: T[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const item of items) {
    bytes += sizeOf(item);
    const last = parts.at(-1);
    if (last === undefined || bytes > maxBytes) {
      parts.push([item]);
      bytes = sizeOf(item);
    } else last.push(item);
  }
  return parts;
}
