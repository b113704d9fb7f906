import { type EpochStart, type EpochTable, type LogPosition, logStart } from './position.ts';

/** A host's history in brief: which leadership gave which sequences, and where its log ends. */
export interface History {
  /** May lack the oldest leaderships, whose records are no longer in the log. */
  readonly table: EpochTable;
  readonly end: LogPosition;
}

/**
 * The last position that two hosts share (F2): the end of the newest leadership that both have records of, in the log
 * that has fewer of them. It comes from the tables and never from comparing positions: the higher position may lie on
 * a branch that nobody else has (Kafka's KIP-101 and KIP-279).
 *
 * What the tables say holds as long as an epoch has one leader; the chain values at the position prove it.
 *
 * @returns null when the tables share no leadership and at least one of them no longer reaches back to the start
 */
export function commonPoint(mine: History, theirs: History): LogPosition | null {
  for (const start of mine.table.toReversed()) {
    const counterpart = theirs.table.find(({ epoch }) => epoch === start.epoch);
    if (counterpart === undefined || counterpart.first !== start.first) continue;
    const sequence = Math.min(endOf(mine, start), endOf(theirs, counterpart));
    // A table may name a leadership of which the log has no record.
    if (sequence >= start.first) return { epoch: start.epoch, sequence };
  }
  return reachesStart(mine) && reachesStart(theirs) ? logStart : null;
}

/** The table of a log that is cut behind a position. */
export function tableUpTo(table: EpochTable, { sequence }: LogPosition): EpochTable {
  return table.filter(({ first }) => first <= sequence);
}

/** The table of a log that no longer has what is at or before a position, apart from the position itself. */
export function tableFrom(table: EpochTable, { sequence }: LogPosition): EpochTable {
  const inForce = table.findLastIndex(({ first }) => first <= sequence);
  return table.slice(Math.max(inForce, 0));
}

/** The leadership that a sequence belongs to; 0 when the table does not reach there. */
export function epochAt(table: EpochTable, sequence: number): number {
  return table.findLast(({ first }) => first <= sequence)?.epoch ?? 0;
}

/** The sequence of a leadership's last record. */
function endOf({ table, end }: History, { epoch, first }: EpochStart): number {
  const next = table.find((other) => other.epoch > epoch);
  return next === undefined ? Math.max(end.sequence, first - 1) : next.first - 1;
}

function reachesStart({ table, end }: History): boolean {
  return table[0] === undefined ? end.sequence === 0 : table[0].first === 1;
}
