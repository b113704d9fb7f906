import { randomInt } from 'node:crypto';
import type { LogFolder } from './log-files.ts';
import type { Beginning, OperationLogOptions } from './log-options.ts';
import { Segment } from './segment.ts';
import type { SegmentHistory } from './segment-header.ts';
import { parseSegmentName, type SegmentName, segmentName, unfinishedSuffix } from './segment-name.ts';

/** A segment that begins at an offset with a checkpoint. */
export interface SegmentPlan extends Beginning {
  readonly base: number;
  readonly history: SegmentHistory;
  /** The offset up to which the log is known to be durable. */
  readonly durable: number;
}

/** In the page cache. */
export function createSegment(
  folder: LogFolder,
  { identity, wallMs, aheadBytes }: OperationLogOptions,
  plan: SegmentPlan,
  suffix = '',
): Segment {
  const name: SegmentName = { base: plan.base, marker: randomInt(1, 2 ** 32) };
  // The plan's handles may be those that go on changing.
  const header = { ...plan, handles: new Map(plan.handles), identity, createdWallMs: wallMs() };
  const fileName = segmentName(name) + suffix;
  return Segment.create(folder, name, header, { durable: plan.durable, aheadBytes, fileName });
}

/** It has its name only when it is whole on the disk. */
export async function createSegmentDurably(
  folder: LogFolder,
  options: OperationLogOptions,
  plan: SegmentPlan,
): Promise<Segment> {
  const segment = createSegment(folder, options, plan, unfinishedSuffix);
  try {
    await segment.file.sync();
    const name = segmentName(segment.name);
    folder.rename(name + unfinishedSuffix, name);
    await folder.sync();
  } catch (error) {
    segment.release();
    throw error;
  }
  return segment;
}

/** Begins a log in a folder; what is there of another one no longer counts once this returns, and never counts again. */
export async function beginLog(
  folder: LogFolder,
  options: OperationLogOptions,
  beginning: Beginning,
): Promise<void> {
  const before = folder.names();
  const ends = before.flatMap((name) => {
    const parsed = parseSegmentName(name);
    return parsed === null ? [] : [parsed.base + sizeOf(folder, name)];
  });
  // Behind all that is there, so that it is the newest whatever a crash leaves.
  const base = Math.ceil(Math.max(0, ...ends) / 4096) * 4096;
  const segment = await createSegmentDurably(folder, options, {
    ...beginning,
    base,
    history: 'begins',
    durable: base,
  });
  segment.release();
}

function sizeOf(folder: LogFolder, name: string): number {
  const file = folder.open(name);
  try {
    return file.size();
  } finally {
    file.close();
  }
}
