/** What became of a request, as its client knows it. */
export type Outcome = 'sent' | 'ok' | 'refused' | 'lost';

/** One request that would change something, or one look of a client at what is there. */
export interface Entry {
  readonly client: string;
  readonly what: string;
  /** From the user's home; the second of a rename or a link is where it went. */
  readonly paths: readonly string[];
  /** Milliseconds of the wall clock. */
  readonly sentAt: number;
  answeredAt: number | null;
  outcome: Outcome;
  /** What the server said, or what was seen. */
  detail: string;
}

/** What clients sent and were answered, in the order in which it was sent. */
export class History {
  readonly #entries: Entry[] = [];
  readonly #acknowledged: number[] = [];

  /** @returns what to call with the answer */
  sent(client: string, what: string, paths: readonly string[]): (outcome: Outcome, detail?: string) => void {
    const entry: Entry = {
      client,
      what,
      paths,
      sentAt: Date.now(),
      answeredAt: null,
      outcome: 'sent',
      detail: '',
    };
    this.#entries.push(entry);
    return (outcome, detail = '') => {
      entry.outcome = outcome;
      entry.detail = detail;
      entry.answeredAt = Date.now();
      if (outcome === 'ok') this.#acknowledged.push(entry.answeredAt);
    };
  }

  get counts(): Record<Outcome, number> {
    const counts = { sent: 0, ok: 0, refused: 0, lost: 0 };
    for (const { outcome } of this.#entries) counts[outcome] += 1;
    return counts;
  }

  /** What was refused, and how often. */
  get refusals(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { outcome, detail } of this.#entries) {
      if (outcome === 'refused') counts.set(detail, (counts.get(detail) ?? 0) + 1);
    }
    return counts;
  }

  /** The last requests about a path, what it was called before, and the folders above it. */
  about(path: string, last = 12): Entry[] {
    return this.#back(path, last, (name, of) => of !== '' && isAtOrBelow(name, of));
  }

  /** The last requests about what is or was below a folder, whatever the folder was called then. */
  below(folder: string, last: number): Entry[] {
    return this.#back(folder, last, (name, of) => of !== name && isAtOrBelow(of, name));
  }

  #back(path: string, last: number, isAbout: (name: string, of: string) => boolean): Entry[] {
    const names = new Set([path]);
    const found: Entry[] = [];
    for (let index = this.#entries.length - 1; index >= 0 && found.length < last; index--) {
      const entry = this.#entries[index];
      if (entry === undefined) continue;
      if (entry.paths.some((of) => [...names].some((name) => isAbout(name, of)))) found.push(entry);
      const [from, to] = entry.paths;
      if (from === undefined || to === undefined || entry.outcome === 'refused') continue;
      for (const name of [...names]) if (isAtOrBelow(name, to)) names.add(from + name.slice(to.length));
    }
    return found.reverse();
  }

  /** The longest time between two acknowledgements of changes, whoever got them, that reaches into this span. */
  longestGap(fromMs: number, untilMs: number): number {
    const times = this.#acknowledged.toSorted((a, b) => a - b);
    const before = times.findLast((time) => time <= fromMs) ?? fromMs;
    return longestStep([before, ...times.filter((time) => time > fromMs && time <= untilMs), untilMs]);
  }
}

/** The largest difference between one time and the next. */
export function longestStep(times: readonly number[]): number {
  return times.reduce((longest, time, index) => Math.max(longest, time - (times[index - 1] ?? time)), 0);
}

function isAtOrBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

/** Who led when, for telling a request's epoch. */
export interface Leadership {
  readonly epoch: number;
  readonly node: string;
  /** Milliseconds of the wall clock: when it served. */
  readonly since: number;
}

export function shownEntry(entry: Entry, startedAt: number, led: readonly Leadership[]): string {
  const at = ((entry.sentAt - startedAt) / 1000).toFixed(3).padStart(8);
  const took = entry.answeredAt === null ? '' : ` after ${entry.answeredAt - entry.sentAt} ms`;
  const leader = led.findLast(({ since }) => since <= (entry.answeredAt ?? entry.sentAt));
  const who = leader === undefined ? '' : ` [epoch ${leader.epoch}, ${leader.node}]`;
  const detail = entry.detail === '' ? '' : ` (${entry.detail})`;
  const paths = entry.paths.map(shownPath).join(' -> ');
  return `${at} s ${entry.client} ${entry.what} ${paths}: ${entry.outcome}${took}${detail}${who}`;
}

/** Names of odd bytes, readable on a terminal. */
export function shownPath(path: string): string {
  return path.length > 80 ? `${printable(path.slice(0, 40))}…(${path.length} bytes)` : printable(path);
}

function printable(path: string): string {
  return path.replaceAll(/[^!-[\]-~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
