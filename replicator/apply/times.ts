import { type BigIntStats, futimesSync, lutimesSync } from 'node:fs';

/** Node hands its NaN on to the kernel as UTIME_OMIT: this time stays as it is. */
const unchanged = new Date(Number.NaN);

/** Times in whole microseconds since 1970; what is absent stays as it is. */
export interface Times {
  readonly accessedAtUs?: number;
  readonly modifiedAtUs?: number;
}

/** Sets the times of an open file. */
export function setTimes(fd: number, { accessedAtUs, modifiedAtUs }: Times): void {
  if (accessedAtUs === undefined && modifiedAtUs === undefined) return;
  futimesSync(fd, asArgument(accessedAtUs), asArgument(modifiedAtUs));
}

/** Sets the times of an entry, of a symbolic link too: it is not followed. */
export function setTimesAt(entry: Buffer | string, { accessedAtUs, modifiedAtUs }: Times): void {
  if (accessedAtUs === undefined && modifiedAtUs === undefined) return;
  lutimesSync(entry, asArgument(accessedAtUs), asArgument(modifiedAtUs));
}

/**
 * The times as they are logged; those before 1970 as 1970, since Node takes no negative ones. The kernel's were set from a double, up to 0.24 microseconds off what was meant, or are
 * its own, in nanoseconds: the nearest microsecond is what was meant, and what is set from it reads as itself again.
 */
export function timesOf(stats: BigIntStats): Required<Times> {
  return {
    accessedAtUs: Math.max(0, nearest(stats.atimeNs)),
    modifiedAtUs: Math.max(0, nearest(stats.mtimeNs)),
  };
}

/** Seconds as a double; whole seconds are exact. Negative numbers would mean "now" to Node, so they are refused. */
function asArgument(microseconds: number | undefined): number | Date {
  if (microseconds === undefined) return unchanged;
  if (!Number.isSafeInteger(microseconds) || microseconds < 0)
    throw new RangeError(`${microseconds} is no time in microseconds`);
  return microseconds / 1e6;
}

function nearest(nanoseconds: bigint): number {
  return Number((nanoseconds + 500n) / 1000n);
}
