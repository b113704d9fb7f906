import type { Space } from './bounds.ts';
import type { Size } from './measure.ts';

/** The longest that the room of what was removed is waited for. */
const waitMs = 5000;

/**
 * What will be free once the file system has counted what was removed: XFS, Btrfs and ZFS do so a while later. Who goes
 * by what they tell at once removes all there is, though the first would have been enough. What the disk tells counts
 * again after a while, since others write as well.
 */
export class ExpectedRoom {
  #freeBytes = 0;
  #freeNames = 0;
  #untilMs = Number.NEGATIVE_INFINITY;

  /** @param nowMs elapsed time */
  of(told: Space, nowMs: number): Space {
    if (nowMs >= this.#untilMs) return told;
    return {
      ...told,
      freeBytes: Math.max(told.freeBytes, this.#freeBytes),
      freeNames: Math.max(told.freeNames, this.#freeNames),
    };
  }

  /** @param before as `of` had it */
  onRemoved({ diskBytes, names }: Size, before: Space, nowMs: number): void {
    this.#freeBytes = before.freeBytes + diskBytes;
    this.#freeNames = before.freeNames + names;
    this.#untilMs = nowMs + waitMs;
  }
}
