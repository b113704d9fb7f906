import type { LogPosition } from '../core/position.ts';
import type { Segment } from './segment.ts';

export interface RetentionLimits {
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

/** Keeps the records behind a sequence in the log. */
export interface Pin {
  /** Lets go of what is up to there. */
  moveTo(sequence: number): void;
  release(): void;
}

/** The segments of a log, oldest first, and which of them may go. */
export class SegmentList {
  readonly #segments: Segment[];
  readonly #pins = new Set<{ sequence: number }>();

  /** @param segments at least one */
  constructor(segments: readonly Segment[]) {
    this.#segments = [...segments];
  }

  get all(): readonly Segment[] {
    return this.#segments;
  }

  /** Where entries are written. */
  get current(): Segment {
    const current = this.#segments.at(-1);
    if (current === undefined) throw new Error('a log has a segment');
    return current;
  }

  /** The records behind this position are in the log. */
  get start(): LogPosition {
    return startOf(this.#segments);
  }

  push(segment: Segment): void {
    this.#segments.push(segment);
  }

  /**
   * The segment that holds a sequence, and the last sequence that counts in it: a later segment may take back the rest.
   * @returns null when the log does not reach back so far
   */
  holding(sequence: number): { segment: Segment; limit: number } | null {
    const index = this.#segments.findLastIndex(({ header }) => header.position.sequence < sequence);
    const segment = this.#segments[index];
    if (segment === undefined) return null;
    const later = this.#segments.slice(index + 1).map(({ header }) => header.position.sequence);
    return { segment, limit: Math.min(Number.POSITIVE_INFINITY, ...later) };
  }

  pin(sequence: number): Pin {
    const pin = { sequence };
    this.#pins.add(pin);
    return {
      moveTo: (to) => {
        pin.sequence = Math.max(pin.sequence, to);
      },
      release: () => {
        this.#pins.delete(pin);
      },
    };
  }

  /** Removes the oldest while the log is too long or they are too old. @param durable offset */
  retain({ maxBytes, maxAgeMs }: RetentionLimits, wallMs: number, durable: number): void {
    const bytes = () => this.#segments.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0);
    const endedBefore = wallMs - maxAgeMs;
    const isOld = () => (this.#segments[1]?.header.createdWallMs ?? wallMs) < endedBefore;
    while (bytes() > maxBytes || isOld()) if (!this.removeOldest(durable)) return;
  }

  /** @returns false when it is pinned, not durable, or the one that is written */
  removeOldest(durable: number): boolean {
    const [oldest, next] = this.#segments;
    if (oldest === undefined || next === undefined || oldest.end > durable) return false;
    const { sequence: start } = startOf(this.#segments.slice(1));
    for (const { sequence } of this.#pins) if (sequence < start) return false;
    oldest.remove();
    this.#segments.shift();
    return true;
  }

  close(): void {
    for (const segment of this.#segments) segment.release();
  }
}

/** Of at least one. Not the first one's when a later segment takes back all that the first one holds. */
function startOf(segments: readonly Segment[]): LogPosition {
  return segments
    .map(({ header }) => header.position)
    .reduce((start, position) => (position.sequence <= start.sequence ? position : start));
}
