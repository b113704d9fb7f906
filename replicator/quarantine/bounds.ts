/**
 * When something is dropped from quarantine by itself: always the oldest, for the first of these reasons.
 *
 * - `disk-full`: the file system has less than its reserve left. The reserve is a hundredth of it, and at least twice
 *   what a host must have free to lead. So replication goes on; whatever the age of what is dropped. What takes less
 *   than a hundredth of the reserve in all is left: its end would help nobody.
 * - `too-old`: beyond the age that is set.
 * - `too-much`: beyond the bytes that are set, but nothing of the last 24 hours.
 *
 * Ages are by the wall clock, since they go on through restarts. While that is not steady (clock-watch.ts) nothing is
 * dropped for its age, and everything counts as of the last 24 hours.
 */
export type DropReason = 'disk-full' | 'too-old' | 'too-much';

export const keptAtLeastMs = 24 * 3_600_000;
const reserveShare = 0.01;
const negligibleShare = 0.01;

/** Of the file system; names are inodes, 0 of 0 where it does not count them. */
export interface Space {
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly totalNames: number;
  readonly freeNames: number;
}

export interface Limits {
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly minFreeBytes: number;
}

export interface Held {
  /** When the oldest was set aside. */
  readonly oldestAtMs: number;
  readonly bytes: number;
  readonly names: number;
}

/** @returns why the oldest has to go; null: it stays */
export function whyDropOldest(
  held: Held,
  space: Space,
  limits: Limits,
  clock: { readonly wallMs: number; readonly isSteady: boolean },
): DropReason | null {
  const reserveBytes = Math.max(space.totalBytes * reserveShare, 2 * limits.minFreeBytes);
  const reserveNames = space.totalNames * reserveShare;
  const isShort = (free: number, reserve: number, own: number) =>
    free < reserve && own >= reserve * negligibleShare;
  if (isShort(space.freeBytes, reserveBytes, held.bytes)) return 'disk-full';
  if (isShort(space.freeNames, reserveNames, held.names)) return 'disk-full';
  const ageMs = clock.wallMs - held.oldestAtMs;
  if (!clock.isSteady) return null;
  if (ageMs > limits.maxAgeMs) return 'too-old';
  return held.bytes > limits.maxBytes && ageMs > keptAtLeastMs ? 'too-much' : null;
}
