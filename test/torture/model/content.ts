/** What a client asked to be changed in a file: bytes from an offset on, or its size. */
export type Change =
  | { readonly kind: 'write'; readonly offset: number; readonly data: Buffer }
  | { readonly kind: 'size'; readonly size: number };

type Interval = readonly [least: number, most: number];

/**
 * What a file may contain, by what its client sent and was answered. `durable` is what an acknowledged CLOSE or FSYNC
 * promised. Each later change may be there or not, a write also in part, range by range, whether it was answered or not:
 * until its barrier is acknowledged nothing is promised of it.
 */
export class Content {
  #durable: Buffer;
  /** The contents when all of `#changes` happened, in their order. */
  #latest: Buffer;
  #changes: Change[] = [];
  /** A change among them may have happened or not, for all that the client was told. */
  #isUncertain = false;
  #isForgotten = false;

  constructor(durable: Buffer = Buffer.alloc(0)) {
    this.#durable = durable;
    this.#latest = durable;
  }

  /** As the client sees it when all went well. */
  get latest(): Buffer {
    return this.#latest;
  }

  get size(): number {
    return this.#latest.length;
  }

  /** Whether it can have this content alone, at the client's host and after any failover. */
  get isSettled(): boolean {
    return this.#changes.length === 0 && !this.#isUncertain;
  }

  get isUncertain(): boolean {
    return this.#isUncertain;
  }

  /** A change that was sent. */
  change(change: Change): void {
    this.#changes.push(change);
    this.#latest = applied(this.#latest, change);
  }

  /** Not even where a change went is known: until it is read and made durable, anything may be there. */
  forget(): void {
    this.#isForgotten = true;
    this.#isUncertain = true;
  }

  /** A change that was sent was refused, or not answered: it may have happened, in part or whole. */
  doubt(): void {
    this.#isUncertain = true;
  }

  /** A barrier was acknowledged: what was sent before it is durable, unless a part of it is in doubt. */
  confirm(): void {
    if (!this.#isUncertain) this.#settle(this.#latest);
  }

  /** What was read, and then made durable by an acknowledged barrier in the same session. */
  adopt(observed: Buffer): void {
    this.#settle(observed);
  }

  #settle(bytes: Buffer): void {
    this.#durable = bytes;
    this.#latest = bytes;
    this.#changes = [];
    this.#isUncertain = false;
    this.#isForgotten = false;
  }

  /** The sizes that it may have, as intervals. */
  get sizes(): readonly Interval[] {
    let sizes: Interval[] = [[this.#durable.length, this.#durable.length]];
    for (const change of this.#changes) sizes = merged([...sizes, ...sizesAfter(sizes, change)]);
    return sizes;
  }

  allowsSize(size: number): boolean {
    return this.#isForgotten || this.sizes.some(([least, most]) => size >= least && size <= most);
  }

  /** Null when it may be so; else what is wrong. */
  reasonAgainst(observed: Buffer): string | null {
    if (this.#isForgotten || observed.equals(this.#latest)) return null;
    const { sizes } = this;
    if (!this.allowsSize(observed.length)) {
      return `${observed.length} bytes where ${sizes.map(shownInterval).join(' or ')} may be`;
    }
    const least = Math.min(...sizes.map(([size]) => size));
    for (let at = 0; at < observed.length; at++) {
      if (at < this.#durable.length && observed[at] === this.#durable[at]) continue;
      if (observed[at] === 0 && at >= least) continue;
      if (!this.#writes(at, observed[at])) return this.#difference(observed, at);
    }
    return null;
  }

  #writes(at: number, byte: number | undefined): boolean {
    return this.#changes.some(
      (change) =>
        change.kind === 'write' &&
        at >= change.offset &&
        at < change.offset + change.data.length &&
        change.data[at - change.offset] === byte,
    );
  }

  #difference(observed: Buffer, at: number): string {
    const show = (bytes: Buffer) =>
      at < bytes.length ? bytes.subarray(at, at + 16).toString('hex') : 'none';
    const pending =
      this.#changes.length === 0 ? '' : `, with ${this.#changes.length} changes that may be there or not`;
    return `from byte ${at} of ${observed.length} on ${show(observed)}, where ${show(this.#latest)} was written${pending}`;
  }
}

function applied(bytes: Buffer, change: Change): Buffer {
  const size =
    change.kind === 'size' ? change.size : Math.max(bytes.length, change.offset + change.data.length);
  const result = Buffer.alloc(size);
  bytes.copy(result, 0, 0, Math.min(size, bytes.length));
  if (change.kind === 'write') change.data.copy(result, change.offset);
  return result;
}

function sizesAfter(sizes: readonly Interval[], change: Change): Interval[] {
  if (change.kind === 'size') return [[change.size, change.size]];
  if (change.data.length === 0) return [];
  // Any part of it, from its first byte to its last.
  const [first, end] = [change.offset + 1, change.offset + change.data.length];
  return sizes.map(([least, most]): Interval => [Math.max(least, first), Math.max(most, end)]);
}

function merged(intervals: readonly Interval[]): Interval[] {
  const result: Interval[] = [];
  for (const [least, most] of intervals.toSorted(([a], [b]) => a - b)) {
    const last = result.at(-1);
    if (last === undefined || least > last[1] + 1) result.push([least, most]);
    else result[result.length - 1] = [last[0], Math.max(last[1], most)];
  }
  return result;
}

function shownInterval([least, most]: Interval): string {
  return least === most ? `${least}` : `${least} to ${most}`;
}
