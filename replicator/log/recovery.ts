import { FormatError } from '#contracts/bytes.ts';
import { HoldfastError } from '#contracts/errors.ts';
import { type LogPosition, logStart } from '../core/position.ts';
import { chainOf, readBatchHead, scanBatch } from './batch.ts';
import { damaged, diskError } from './damage.ts';
import { type Entry, entryType, nextIntact, readEntry } from './entry.ts';
import { decodeLocalRecords } from './local-record-codec.ts';
import type { LogFile, LogFolder } from './log-files.ts';
import { LogMismatch, LogState } from './log-state.ts';
import { type DecodedRecord, isKnownKind, readRecord, recordKind } from './record-codec.ts';
import { unknownRecord } from './record-frame.ts';
import { Segment, type SegmentLengths } from './segment.ts';
import { decodeSegmentHeader, type SegmentHeader } from './segment-header.ts';
import { parseSegmentName, type SegmentName, segmentName, unfinishedSuffix } from './segment-name.ts';

/** What was written last and did not reach the disk whole; it was never told to be durable. */
export interface TornTail {
  /** Offset in the log from which on nothing was kept. */
  readonly offset: number;
  readonly bytes: number;
  /** The last record that was kept. */
  readonly position: LogPosition;
}

export interface DurablePosition {
  readonly offset: number;
  /** Of the last shared record before the offset. */
  readonly position: LogPosition;
}

export interface Recovered {
  /** Oldest first, at least one. */
  readonly segments: Segment[];
  readonly state: LogState;
  /** What the log itself proves to be durable; a lower bound. */
  readonly durable: DurablePosition;
  readonly torn: TornTail | null;
}

export interface RecoveryOptions {
  readonly identity: string;
  /** The last sequence that somebody else knows to be durable here (an acknowledgement, etcd); 0 when nobody does. */
  readonly heldAtLeast: number;
  /** See `SegmentLengths`. */
  readonly aheadBytes: number;
}

interface Candidate {
  readonly name: SegmentName;
  readonly file: LogFile;
  readonly size: number;
  /** null when it is not intact. */
  readonly header: SegmentHeader | null;
  readonly durable: number;
}

/** A segment file that was read as a whole. */
interface Scan {
  readonly candidate: Candidate;
  /** The entries behind the header, up to the first that is not intact. */
  readonly entries: readonly Entry[];
  readonly headerEnd: number;
  /** Where in the file they end. */
  readonly intactEnd: number;
  /** Whether something else than zeros stands behind them. */
  readonly rest: boolean;
  /** The highest durable offset that any intact entry tells, also one behind a hole. */
  readonly durable: number;
}

/**
 * Reads what a log ends with, as far back as it is not known to be durable; at least the last segment, whose header is
 * the last checkpoint. Older segments are looked at when they are read. What is torn is cut off, durably.
 *
 * @returns null when there is no log
 * @throws HoldfastError LOG_DAMAGED, ROOT_FOREIGN for another identity, FORMAT_UNKNOWN
 */
export async function recover(folder: LogFolder, options: RecoveryOptions): Promise<Recovered | null> {
  const opened: LogFile[] = [];
  try {
    return await recoverFrom(folder, candidatesOf(folder, options.identity, opened), options);
  } catch (error) {
    for (const file of opened) file.close();
    throw diskError(folder.path, error);
  }
}

async function recoverFrom(
  folder: LogFolder,
  candidates: readonly Candidate[],
  options: RecoveryOptions,
): Promise<Recovered | null> {
  const { current, obsolete } = splitAtBeginning(candidates);
  if (current.length === 0) return null;
  const { scans, durable } = scanTail(folder, current);
  const { state, kept, end, durablePosition } = replay(folder, scans);
  const torn = tornTail(scans, kept, end, state.position);
  if (end < durable) {
    throw damaged(
      folder.path,
      `byte ${end} of it is not intact, and what lies before ${durable} was on the disk`,
    );
  }
  if (state.position.sequence < options.heldAtLeast) {
    throw damaged(
      folder.path,
      `it ends with record ${state.position.sequence}, and ${options.heldAtLeast} was on the disk`,
    );
  }
  const older = current.slice(0, current.length - scans.length);
  checkLengths(folder, [...older, ...scans.slice(0, 1).map(({ candidate }) => candidate)]);
  const keptScans = scans.slice(0, kept);
  const dropped = [...obsolete, ...scans.slice(kept).map(({ candidate }) => candidate)];
  await removeFiles(folder, dropped);
  const { aheadBytes } = options;
  const segments = [
    ...older.map((candidate, index) => {
      const next = older[index + 1] ?? keptScans[0]?.candidate;
      const length = (next?.name.base ?? 0) - candidate.name.base;
      return segmentOf(folder, candidate, { length, headerBytes: 0, aheadBytes });
    }),
    ...keptScans.map((scan) => {
      const segment = segmentOf(folder, scan.candidate, {
        length: scan.intactEnd,
        headerBytes: scan.headerEnd,
        aheadBytes,
      });
      notePlaces(segment, scan.entries);
      return segment;
    }),
  ];
  if (torn !== null) await segments.at(-1)?.cut();
  for (const { file } of dropped) file.close();
  return { segments, state, durable: { offset: durable, position: durablePosition(durable) }, torn };
}

function candidatesOf(folder: LogFolder, identity: string, opened: LogFile[]): Candidate[] {
  const names = folder.names().flatMap((name) => parseSegmentName(name) ?? []);
  const candidates = names.map((name): Candidate => {
    const file = folder.open(segmentName(name));
    opened.push(file);
    const size = file.size();
    const entry = readFirstEntry(file, size, name);
    const header = entry === null ? null : headerOf(folder, entry, name, identity);
    return { name, file, size, header, durable: header === null ? 0 : (entry?.durable ?? 0) };
  });
  return candidates.sort((a, b) => a.name.base - b.name.base);
}

function readFirstEntry(file: LogFile, size: number, { base, marker }: SegmentName): Entry | null {
  const start = file.read(0, Math.min(size, 64 * 1024));
  const entry = readEntry(start, 0, marker, base);
  return entry ?? readEntry(file.read(0, size), 0, marker, base);
}

function headerOf(
  folder: LogFolder,
  { type, payload }: Entry,
  name: SegmentName,
  identity: string,
): SegmentHeader {
  const where = segmentName(name);
  if (type !== entryType.header) throw damaged(folder.path, `${where} does not begin with a header`);
  const header = soundly(folder, where, () => decodeSegmentHeader(payload));
  if (header.identity !== identity) {
    throw new HoldfastError(
      'ROOT_FOREIGN',
      `the operation log in ${folder.path} belongs to ${header.identity}, not to ${identity}`,
    );
  }
  if (header.base !== name.base) throw damaged(folder.path, `${where} was renamed`);
  return header;
}

/**
 * Sets aside what lies before the newest segment with which a log begins, as part of an earlier log, and a segment that
 * could not be made whole and was followed by another at the same place.
 */
function splitAtBeginning(candidates: readonly Candidate[]): { current: Candidate[]; obsolete: Candidate[] } {
  const beginning = candidates.findLastIndex(({ header }) => header?.history === 'begins');
  const wholeAt = new Set(candidates.flatMap(({ header }) => header?.base ?? []));
  const counts = ({ name, header }: Candidate, index: number) =>
    index >= beginning && (header !== null || !wholeAt.has(name.base));
  return {
    current: candidates.filter(counts),
    obsolete: candidates.filter((candidate, index) => !counts(candidate, index)),
  };
}

/** From the last segment back to one before which all is known to be durable. */
function scanTail(
  folder: LogFolder,
  candidates: readonly Candidate[],
): { scans: readonly Scan[]; durable: number } {
  const scans: Scan[] = [];
  let durable = Math.max(...candidates.map((candidate) => candidate.durable));
  for (const candidate of candidates.toReversed()) {
    const scan = scanFile(candidate);
    scans.unshift(scan);
    durable = Math.max(durable, scan.durable);
    if (candidate.header !== null && durable >= candidate.name.base) break;
  }
  const first = scans[0]?.candidate;
  if (first?.header === null) {
    throw damaged(folder.path, `the header of ${segmentName(first.name)} is not intact`);
  }
  return { scans, durable };
}

function scanFile(candidate: Candidate): Scan {
  const { file, size, name, header } = candidate;
  const buffer = file.read(0, size);
  const entries: Entry[] = [];
  let durable = candidate.durable;
  let headerEnd = 0;
  let at = 0;
  for (let entry = readEntry(buffer, 0, name.marker, name.base); entry !== null; ) {
    if (entry.at > 0) entries.push(entry);
    else headerEnd = entry.end;
    durable = Math.max(durable, entry.durable);
    at = entry.end;
    entry = readEntry(buffer, at, name.marker, name.base + at);
  }
  const intactEnd = header === null ? 0 : at;
  const rest = buffer.subarray(intactEnd).some((byte) => byte !== 0);
  for (let from = at; rest; ) {
    const entry = nextIntact(buffer, from, name.marker, name.base);
    if (entry === null) break;
    durable = Math.max(durable, entry.durable);
    from = entry.end;
  }
  return { candidate, entries, headerEnd, intactEnd, rest, durable };
}

/** Goes over the entries in order, up to the first place where the next one is missing. */
function replay(
  folder: LogFolder,
  scans: readonly Scan[],
): {
  state: LogState;
  /** How many of the segments are kept. */
  kept: number;
  /** Offset behind the last entry. */
  end: number;
  durablePosition: (durable: number) => LogPosition;
} {
  let state: LogState | null = null;
  let kept = 0;
  let end = scans[0]?.candidate.name.base ?? 0;
  const ends: { offset: number; position: LogPosition }[] = [];
  for (const { candidate, entries, intactEnd } of scans) {
    const { header, name } = candidate;
    if (header === null || name.base !== end) break;
    state = enter(folder, header, state);
    const { base } = name;
    ends.push({ offset: base, position: header.position });
    for (const entry of entries) {
      soundly(folder, `${segmentName(name)} at byte ${entry.at}`, () =>
        replayEntry(state as LogState, entry),
      );
      if (entry.type === entryType.batch) ends.push({ offset: base + entry.end, position: state.position });
    }
    kept += 1;
    end = base + intactEnd;
  }
  if (state === null) throw damaged(folder.path, 'it has no header');
  const start = scans[0]?.candidate.header?.position ?? logStart;
  const durablePosition = (durable: number) =>
    ends.findLast(({ offset }) => offset <= durable)?.position ?? start;
  return { state, kept, end, durablePosition };
}

function enter(folder: LogFolder, header: SegmentHeader, before: LogState | null): LogState {
  const { position, chain, history, base } = header;
  if (before !== null && history === 'continues') {
    const same = position.sequence === before.position.sequence && position.epoch === before.position.epoch;
    if (!same || !chain.equals(before.chain)) {
      throw damaged(folder.path, `the segment at ${base} does not go on where the one before ends`);
    }
  }
  return new LogState(header);
}

function replayEntry(state: LogState, { type, payload }: Entry): void {
  switch (type) {
    case entryType.batch: {
      const records = recordsThatCount(payload);
      const batch = readBatchHead(payload);
      state.check(batch, records);
      state.advance(batch, chainOf(payload), records);
      break;
    }
    case entryType.local:
      state.advanceLocal(decodeLocalRecords(payload));
      break;
    case entryType.mark:
      break;
    case entryType.header:
      throw new FormatError('a header within a segment');
    default:
      throw new HoldfastError('FORMAT_UNKNOWN', `the operation log has an entry of type ${type}`);
  }
}

const kindsThatCount: ReadonlySet<number> = new Set([
  recordKind.leadership,
  recordKind.open,
  recordKind.close,
  recordKind.rename,
  recordKind.remove,
]);

/** The records that handles and leaderships hang on: writes are most of a log, and need not be looked at. */
function recordsThatCount(payload: Buffer): DecodedRecord[] {
  const records: DecodedRecord[] = [];
  scanBatch(payload, (kind, body) => {
    if (kindsThatCount.has(kind)) records.push(readRecord(kind, body));
    else if (!isKnownKind(kind)) unknownRecord(kind, body);
  });
  return records;
}

function tornTail(
  scans: readonly Scan[],
  kept: number,
  offset: number,
  position: LogPosition,
): TornTail | null {
  const last = scans[kept - 1];
  const dropped = scans.slice(kept);
  if (dropped.length === 0 && last?.rest !== true) return null;
  const inLast = last === undefined ? 0 : last.candidate.size - last.intactEnd;
  return {
    offset,
    bytes: inLast + dropped.reduce((sum, { candidate }) => sum + candidate.size, 0),
    position,
  };
}

/** Each segment that is not looked at reaches to the next one. */
function checkLengths(folder: LogFolder, candidates: readonly Candidate[]): void {
  for (const [index, { name, header, size }] of candidates.entries()) {
    const next = candidates[index + 1];
    if (next === undefined) return;
    if (header === null) throw damaged(folder.path, `the header of ${segmentName(name)} is not intact`);
    if (name.base + size < next.name.base) throw damaged(folder.path, `${segmentName(name)} is too short`);
  }
}

async function removeFiles(folder: LogFolder, dropped: readonly Candidate[]): Promise<void> {
  const unfinished = folder.names().filter((name) => name.endsWith(unfinishedSuffix));
  const names = [...dropped.map(({ name }) => segmentName(name)), ...unfinished];
  for (const name of names) folder.remove(name);
  if (names.length > 0) await folder.sync();
}

function segmentOf(folder: LogFolder, { name, file, header }: Candidate, lengths: SegmentLengths): Segment {
  if (header === null) throw damaged(folder.path, `the header of ${segmentName(name)} is not intact`);
  return new Segment(folder, file, name, header, lengths);
}

function notePlaces(segment: Segment, entries: readonly Entry[]): void {
  for (const { type, payload, at } of entries) {
    if (type === entryType.batch) segment.notePlace(readBatchHead(payload).first, at);
  }
}

/** What is intact and makes no sense was not written by us, or by one with a defect. */
function soundly<T>(folder: LogFolder, where: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof FormatError) && !(cause instanceof LogMismatch)) throw cause;
    throw damaged(folder.path, `${where}: ${cause.message}`, cause);
  }
}
