import type { LocalRecord } from '../core/local-record.ts';
import { readBatch } from './batch.ts';
import { entriesOf, type LoggedBatch, loggedBatch } from './batch-reader.ts';
import { entryType } from './entry.ts';
import { decodeLocalRecords } from './local-record-codec.ts';
import type { DecodedRecord } from './record-codec.ts';
import type { Segment } from './segment.ts';

/** What a log is recovered to, in order. Buffers are views. */
export type EntrySinceCheckpoint =
  | { readonly kind: 'batch'; readonly batch: LoggedBatch; readonly records: readonly DecodedRecord[] }
  | { readonly kind: 'local'; readonly records: readonly LocalRecord[] };

/** What stands in a segment behind its checkpoint. */
export async function* entriesSince(folder: string, segment: Segment): AsyncGenerator<EntrySinceCheckpoint> {
  for await (const { type, payload } of entriesOf(folder, segment, 0)) {
    if (type === entryType.local) yield { kind: 'local', records: decodeLocalRecords(payload) };
    if (type !== entryType.batch) continue;
    yield { kind: 'batch', batch: loggedBatch(payload), records: readBatch(payload).records };
  }
}
