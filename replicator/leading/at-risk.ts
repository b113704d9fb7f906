import { setImmediate as turn } from 'node:timers/promises';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import { type Held, type HostAtRisk, maxNamesReported } from '#contracts/ipc/at-risk.ts';
import { epochAt } from '../core/epoch-table.ts';
import type { LogPosition } from '../core/position.ts';
import { readBatch } from '../log/batch.ts';
import type { OperationLog } from '../log/operation-log.ts';
import { shownKey } from '../tree/path.ts';
import { ChangesByName } from './changes-by-name.ts';

/** Names that are kept in memory. */
const maxNames = 20_000;
/** Looks that are left out after one that failed: it may have read much of the log. */
const looksLeftOut = 30;
/** Of the log, that are read in one look, and in one turn of the thread that orders. */
const batchesAtOnce = 20_000;
const batchesATurn = 100;

/** What the leader knows of one host. */
export interface Standing {
  readonly nodeId: string;
  /** Nothing is acknowledged without it. */
  readonly hasAll: boolean;
  /** Everything up to here is on its disk, by its own word under this leadership; -1: it has not said. */
  readonly flushed: number;
}

type Log = Pick<OperationLog, 'epochs' | 'position' | 'start' | 'handlesAt' | 'read'>;

interface Scan {
  /** Everything behind here was read, up to `to`, and nothing was forgotten that changed behind here. */
  from: number;
  to: number;
  readonly changes: ChangesByName;
}

/**
 * Files at risk (G3): what of all that was ordered which host lacks, from the log. What a host lacks is what was changed
 * behind the position up to which it is known to have everything.
 */
export class AtRisk {
  readonly #log: Log;
  readonly #standings: () => readonly Standing[];
  /** Of hosts that have said nothing under this leadership. */
  readonly #held = new Map<string, number>();
  #scan: Scan | null = null;
  #failure: string | null = null;
  #leftOut = 0;
  #looking: Promise<void> = Promise.resolve();
  #hasLearned = false;
  /** Where the log ended at the last look. */
  #endBefore: number;
  #reported: HostAtRisk[] | null = null;

  /** @param hadAll hosts that had everything that was acknowledged when the leadership began */
  constructor(log: Log, hadAll: readonly string[], standings: () => readonly Standing[]) {
    this.#log = log;
    this.#standings = standings;
    this.#endBefore = log.position.sequence;
    for (const nodeId of hadAll) this.#held.set(nodeId, log.position.sequence);
  }

  /** What an earlier leader knew of hosts; where its history is not that of this log, it says nothing. */
  learn(held: readonly Held[]): void {
    this.#hasLearned = true;
    this.#reported = null;
    for (const { nodeId, position } of held) {
      const { epochs, position: end } = this.#log;
      const isOurs =
        position.sequence <= end.sequence && epochAt(epochs, position.sequence) === position.epoch;
      if (isOurs && !this.#held.has(nodeId)) this.#held.set(nodeId, position.sequence);
    }
  }

  /** It follows with a log that ends there: it has not got any more what it was known to have behind that. */
  joined(nodeId: string, end: number): void {
    if ((this.#held.get(nodeId) ?? 0) > end) this.#held.delete(nodeId);
  }

  /** It has not got any more what it said it has. */
  forget(nodeId: string): void {
    this.#held.delete(nodeId);
  }

  /** As of the last look: of the standing report. Null before the first one with what an earlier leader knew. */
  get reported(): readonly HostAtRisk[] | null {
    return this.#reported;
  }

  /** Looks through what came, while a host lacks something that was there at the look before. */
  look(): Promise<void> {
    if (!this.#hasLearned) return this.#looking;
    const end = this.#endBefore;
    this.#endBefore = this.#log.position.sequence;
    const isDue = this.#standings().some(({ hasAll, flushed }) => !hasAll && flushed < end);
    if (!isDue) {
      this.#scan = null;
      this.#reported = [];
      return this.#looking;
    }
    if (this.#failure !== null && this.#leftOut++ < looksLeftOut) return this.#looking;
    this.#leftOut = 0;
    return this.#look().then(() => {
      this.#reported = this.#report(maxNamesReported);
    });
  }

  /** Of this moment. @param limit of names of each host */
  async ask(limit: number): Promise<HostAtRisk[]> {
    await this.#look();
    return this.#report(limit);
  }

  #look(): Promise<void> {
    this.#looking = this.#looking
      .then(() => this.#readOn())
      .catch((error: unknown) => {
        this.#scan = null;
        const isGone = error instanceof HoldfastError && error.code === 'LOG_NO_LONGER_REACHES';
        this.#failure = isGone ? null : messageOf(error);
      });
    return this.#looking;
  }

  async #readOn(): Promise<void> {
    this.#failure = null;
    const held = this.#standings().flatMap((standing) => this.#readableFrom(standing) ?? []);
    const [least, most] = [Math.min(...held), Math.max(...held)];
    if (held.length === 0) {
      this.#scan = null;
      return;
    }
    if (this.#scan === null || least < this.#scan.from) this.#scan = await this.#begin(least);
    const scan = this.#scan;
    let batches = 0;
    for await (const { payload } of this.#log.read(scan.to + 1)) {
      const { first, last, records } = readBatch(payload);
      for (const [index, record] of records.entries()) scan.changes.take(first + index, record);
      scan.to = last;
      batches += 1;
      if (batches >= batchesAtOnce) break;
      // Batches come out of a buffer, without a turn of the loop between them.
      if (batches % batchesATurn === 0) await turn();
    }
    scan.changes.forget(least, most);
    scan.from = least;
  }

  async #begin(from: number): Promise<Scan> {
    const handles = await this.#log.handlesAt(this.#positionOf(from));
    return { from, to: from, changes: new ChangesByName(handles, maxNames) };
  }

  #report(limit: number): HostAtRisk[] {
    return this.#standings()
      .filter(({ hasAll }) => !hasAll)
      .map((standing) => this.#reportOf(standing, limit));
  }

  #reportOf(standing: Standing, limit: number): HostAtRisk {
    const { nodeId } = standing;
    const known = this.#heldBy(standing);
    const holds = known === null ? null : this.#positionOf(known);
    const from = this.#readableFrom(standing);
    const scan = this.#scan;
    if (from === null || scan === null || scan.from > from) {
      return { nodeId, holds, names: [], total: 0, isWhole: false, unknown: this.#whyUnknown(known) };
    }
    const changed = scan.changes.since(from);
    const names = changed.slice(0, limit).map(({ path, change }) => ({
      path: path === '' ? '.' : shownKey(path),
      change,
    }));
    const isWhole = scan.changes.isWholeFor(from) && scan.to >= this.#log.position.sequence;
    return { nodeId, holds, names, total: changed.length, isWhole, unknown: null };
  }

  #whyUnknown(held: number | null): string {
    if (held === null) return 'this leader does not know what it has: it has not been in sync since';
    if (held < this.#log.start.sequence) return 'it was away for longer than the log reaches back';
    return this.#failure ?? 'the log is being read';
  }

  #heldBy({ nodeId, flushed }: Standing): number | null {
    return flushed >= 0 ? flushed : (this.#held.get(nodeId) ?? null);
  }

  /** From where its changes are to be read; null: there is nothing to read, or it cannot be read. */
  #readableFrom(standing: Standing): number | null {
    const held = standing.hasAll ? null : this.#heldBy(standing);
    return held === null || held < this.#log.start.sequence ? null : held;
  }

  #positionOf(sequence: number): LogPosition {
    return { epoch: epochAt(this.#log.epochs, sequence), sequence };
  }
}
