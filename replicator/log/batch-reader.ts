import { type BatchHead, chainOf, readBatchHead } from './batch.ts';
import { damaged, diskError } from './damage.ts';
import { type Entry, entryEnd, entryHeaderBytes, readEntry } from './entry.ts';
import type { Segment } from './segment.ts';
import { segmentName } from './segment-name.ts';

/** Read at once, unless an entry is longer. */
const chunkBytes = 256 * 1024;

/** A batch as it lies in the log. */
export interface LoggedBatch extends BatchHead {
  /** What followers append as it is. */
  readonly payload: Buffer;
  /** Its own chain value. */
  readonly chain: Buffer;
}

/**
 * The entries of a segment from a place on, up to its end at the time. Memory is bounded by the longest entry.
 * @param from where in the file an entry begins
 * @throws HoldfastError LOG_DAMAGED
 */
export async function* entriesOf(folder: string, segment: Segment, from: number): AsyncGenerator<Entry> {
  const { base, marker } = segment.name;
  segment.retain();
  try {
    let buffer: Buffer = Buffer.alloc(0);
    let at = 0;
    for (let start = from; start + at < segment.length; ) {
      const entry = readEntry(buffer, at, marker, base + start + at);
      if (entry !== null) {
        at = entry.end;
        yield entry;
        continue;
      }
      const had = buffer.length - at;
      const end = entryEnd(buffer, at, marker);
      start += at;
      const wanted = Math.min(Math.max(end === null ? 0 : end - at, chunkBytes), segment.length - start);
      const whole = had >= entryHeaderBytes && (end === null || end <= buffer.length);
      if (whole || had === wanted) {
        throw damaged(folder, `${segmentName(segment.name)} is not intact at byte ${start}`);
      }
      buffer = await segment.file.readLater(start, wanted).catch((error: unknown) => {
        throw diskError(folder, error);
      });
      at = 0;
      if (buffer.length < wanted) throw damaged(folder, `${segmentName(segment.name)} is too short`);
    }
  } finally {
    segment.release();
  }
}

export function loggedBatch(payload: Buffer): LoggedBatch {
  return { ...readBatchHead(payload), payload, chain: chainOf(payload) };
}
