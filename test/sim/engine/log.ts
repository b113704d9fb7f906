import type { DoubtChange } from '../../../replicator/core/doubts.ts';
import type { EpochStart, LogPosition } from '../../../replicator/core/position.ts';
import type { LogRecord, Scope } from '../../../replicator/core/record.ts';
import type { ReplicaState } from '../../../replicator/core/replica.ts';
import type { TreePath } from '../../../replicator/core/uncertain-names.ts';

export interface SharedRecord {
  readonly position: LogPosition;
  readonly record: LogRecord;
}

/** What a host writes to its log, in order. A power cut keeps what was flushed and any number of entries after it. */
export type LogEntry =
  | ({ readonly kind: 'shared' } & SharedRecord)
  /** The record is made in the tree, and this changed in what is doubted. */
  | {
      readonly kind: 'applied';
      readonly sequence: number;
      readonly changes: readonly DoubtChange[];
      readonly handles: ReplicaState['handles'];
    }
  /** Less is doubted, since the leader answered; and more handles are bound. */
  | {
      readonly kind: 'settled';
      readonly changes: readonly DoubtChange[];
      readonly handles: ReplicaState['handles'];
    }
  /** All that is doubted when the process starts; every record up to `sequence` is made, or is doubted. */
  | { readonly kind: 'state'; readonly sequence: number; readonly state: ReplicaState }
  /** P1: these names may change from here on. */
  | { readonly kind: 'active'; readonly names: readonly { path: TreePath; scope: Scope }[] }
  | { readonly kind: 'checkpoint-begins'; readonly id: number }
  | { readonly kind: 'checkpoint'; readonly id: number }
  /** The records after `to` are no more; with `base`, nor are those before: the log begins there. */
  | {
      readonly kind: 'cut';
      readonly to: LogPosition;
      readonly base: readonly EpochStart[] | null;
      readonly state: ReplicaState;
    };

export class HostLog {
  #entries: LogEntry[] = [];
  #flushed = 0;
  #records: SharedRecord[] = [];
  #base: LogPosition = { epoch: 0, sequence: 0 };
  #baseTable: readonly EpochStart[] = [];

  get entries(): readonly LogEntry[] {
    return this.#entries;
  }

  /** The shared records that are in force. */
  get records(): readonly SharedRecord[] {
    return this.#records;
  }

  get last(): LogPosition {
    return this.#records.at(-1)?.position ?? this.#base;
  }

  /** The position before the first record. */
  get base(): LogPosition {
    return this.#base;
  }

  get table(): EpochStart[] {
    return [
      ...this.#baseTable,
      ...this.#records.flatMap(({ position, record }) =>
        record.kind === 'leadership' ? [{ epoch: record.epoch, first: position.sequence }] : [],
      ),
    ];
  }

  epochAt(sequence: number): number | undefined {
    if (sequence === this.#base.sequence) return this.#base.epoch;
    return this.#records[sequence - this.#base.sequence - 1]?.position.epoch;
  }

  after(sequence: number): readonly SharedRecord[] {
    return this.#records.slice(sequence - this.#base.sequence);
  }

  append(entry: LogEntry): void {
    this.#entries.push(entry);
    this.#take(entry);
  }

  flush(): void {
    this.#flushed = this.#entries.length;
  }

  /** @returns completes it: what was appended before it began is durable then */
  beginFlush(): () => void {
    const length = this.#entries.length;
    return () => {
      this.#flushed = Math.max(this.#flushed, length);
    };
  }

  powerCut(below: (limit: number) => number): void {
    const kept = this.#entries.slice(0, this.#flushed + below(this.#entries.length - this.#flushed + 1));
    this.#entries = [];
    this.#records = [];
    this.#base = { epoch: 0, sequence: 0 };
    this.#baseTable = [];
    for (const entry of kept) this.append(entry);
    this.flush();
  }

  #take(entry: LogEntry): void {
    if (entry.kind === 'shared') this.#records.push(entry);
    if (entry.kind !== 'cut') return;
    if (entry.base === null) {
      this.#records = this.#records.slice(0, entry.to.sequence - this.#base.sequence);
    } else {
      this.#records = [];
      this.#base = entry.to;
      this.#baseTable = entry.base;
    }
  }
}
