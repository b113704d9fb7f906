/** A range of a file whose bytes this host lacks, and the sequence since which it does. */
export interface MissingRange {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  readonly since: number;
}

/** The ranges that one file lacks: disjoint, ascending. */
export class MissingRanges {
  #ranges: MissingRange[] = [];

  constructor(ranges: Iterable<MissingRange> = []) {
    for (const { from, to, since } of ranges) this.add(from, to, since);
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
  add(from: number, to: number, since: number): void {
    if (to <= from) return;
    this.remove(from, to);
    const at = this.#ranges.findIndex((range) => range.from >= to);
    const place = at === -1 ? this.#ranges.length : at;
    const before = this.#ranges[place - 1];
    const after = this.#ranges[place];
    const joinsBefore = before !== undefined && before.to === from && before.since === since;
    const joinsAfter = after !== undefined && after.from === to && after.since === since;
    const joined = {
      from: joinsBefore ? before.from : from,
      to: joinsAfter ? after.to : to,
      since,
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
