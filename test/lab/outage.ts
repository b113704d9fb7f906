/** How long nobody could log in. Times are milliseconds of the monotonic clock. */
export interface Outage {
  /** The longest time between two successful logins from just before the event on. */
  readonly ms: number;
  readonly lastBefore: number;
  readonly firstAfter: number;
}

/** Logins must have gone on for so long after the gap for it to be over. */
const settledMs = 700;

/** The longest gap since `atMs`, once the service has been back for a while; null while it has not. */
export function outageAround(successes: readonly number[], atMs: number, nowMs: number): Outage | null {
  const sorted = successes.toSorted((a, b) => a - b);
  const before = sorted.findLast((time) => time <= atMs);
  if (before === undefined) return null;
  const times = [before, ...sorted.filter((time) => time > atMs)];
  let longest: Outage = { ms: 0, lastBefore: before, firstAfter: before };
  for (const [index, firstAfter] of times.entries()) {
    const lastBefore = times[index - 1] ?? firstAfter;
    if (firstAfter - lastBefore > longest.ms)
      longest = { ms: firstAfter - lastBefore, lastBefore, firstAfter };
  }
  const last = times.at(-1) ?? before;
  const isOver = nowMs - last < 300 && last - longest.firstAfter > settledMs && last - atMs > settledMs;
  return isOver ? longest : null;
}
