/** A range of a file whose bytes this host lacks, and the sequence since which it does. */
export interface MissingRange {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  readonly since: number;
  /** Whether what lies there may be right all the same: worth a comparison before it is fetched. */
  readonly mayBeSame?: boolean;
}

/** The ranges that one file lacks: disjoint, ascending. */
export class MissingRanges {
  #ranges: MissingRange[] = [];

  constructor(ranges: Iterable<MissingRange> = []) {
    for (const { from, to, since, mayBeSame } of ranges) this.add(from, to, since, mayBeSame);
  }

  get ranges(): readonly MissingRange[] {
    return this.#ranges;
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  get bytes(): number {
    return this.#ranges.reduce((sum, { from, to }) => sum + to - from, 0);
  }

  /** Lacked from now on, whatever was known of it before. */
  add(from: number, to: number, since: number, mayBeSame = false): void {
    if (to <= from) return;
    this.remove(from, to);
    const at = this.#ranges.findIndex((range) => range.from >= to);
    const place = at === -1 ? this.#ranges.length : at;
    const before = this.#ranges[place - 1];
    const after = this.#ranges[place];
    const isAlike = (range: MissingRange) =>
      range.since === since && (range.mayBeSame ?? false) === mayBeSame;
    const joinsBefore = before !== undefined && before.to === from && isAlike(before);
    const joinsAfter = after !== undefined && after.from === to && isAlike(after);
    const joined = {
      from: joinsBefore ? before.from : from,
      to: joinsAfter ? after.to : to,
      since,
      ...(mayBeSame && { mayBeSame }),
    };
    const first = joinsBefore ? place - 1 : place;
    this.#ranges.splice(first, (joinsBefore ? 1 : 0) + (joinsAfter ? 1 : 0), joined);
  }

  /** Known from now on. */
  remove(from: number, to: number): void {
    if (to <= from) return;
    this.#ranges = this.#ranges.flatMap((range) =>
      range.to <= from || range.from >= to
        ? [range]
        : [
            { ...range, to: from },
            { ...range, from: to },
          ].filter((rest) => rest.to > rest.from),
    );
  }

  /** A comparison found that what lies there is not what the leader has. */
  expectDifferent(from: number, to: number): void {
    for (const range of this.#ranges) {
      const [start, end] = [Math.max(from, range.from), Math.min(to, range.to)];
      if (start < end && range.mayBeSame) this.add(start, end, range.since);
    }
  }

  /** No sequence after `last` counts any more. */
  forgetSequences(last: number): void {
    this.#ranges = this.#ranges.map((range) => ({ ...range, since: Math.min(range.since, last) }));
  }

  /** The parts of a range that have been lacked since `since` or longer: what content read then may fill. */
  within(from: number, to: number, since: number): MissingRange[] {
    return this.#ranges
      .filter((range) => range.since <= since && range.from < to && range.to > from)
      .map((range) => ({ ...range, from: Math.max(from, range.from), to: Math.min(to, range.to) }));
  }
}
