import { isIPv4 } from 'node:net';

/**
 * Which connections may wait for a login (G7). Those that have not logged in hold places, of which one source has a
 * limited number; when many are taken newcomers are dropped at random, more of them the more are taken, as by OpenSSH's
 * MaxStartups start:rate:full; and some are kept for known sources. So connections of one source keep nobody else out;
 * those of many sources together may keep out sources that are not known.
 */
export interface PlaceRules {
  /** From so many taken on, newcomers are dropped at random: ... */
  readonly begin: number;
  /** ... so many of a hundred at first, and all when ... */
  readonly ratePercent: number;
  /** ... so many are taken. */
  readonly full: number;
  /** What one source may take of them. */
  readonly perSource: number;
  /** Beyond `full`, for known sources alone; one of them may take half. */
  readonly kept: number;
}

export type Refusal = 'source-full' | 'dropped-early' | 'full';

export interface Place {
  /** Idempotent. */
  release(): void;
}

export class ConnectionPlaces {
  readonly #rules: PlaceRules;
  readonly #random: () => number;
  readonly #common = new Taken();
  readonly #kept = new Taken();

  /** @param random evenly from 0 up to, and without, 1 */
  constructor(rules: PlaceRules, random: () => number = Math.random) {
    this.#rules = rules;
    this.#random = random;
  }

  /**
   * @param known by which name the source counts among the known ones; null: it is none of them
   * @returns a place, or why there is none
   */
  take(source: string, known: string | null): Place | Refusal {
    const refusal = this.#refusal(source);
    if (refusal === null) return this.#common.add(source);
    if (known === null || !this.#hasKept(known)) return refusal;
    return this.#kept.add(known);
  }

  get taken(): number {
    return this.#common.total + this.#kept.total;
  }

  #refusal(source: string): Refusal | null {
    const { begin, ratePercent, full, perSource } = this.#rules;
    const taken = this.#common.total;
    if (taken >= full) return 'full';
    if (this.#common.of(source) >= perSource) return 'source-full';
    if (taken < begin) return null;
    const percent = ratePercent + ((100 - ratePercent) * (taken - begin)) / (full - begin);
    return this.#random() * 100 < percent ? 'dropped-early' : null;
  }

  #hasKept(known: string): boolean {
    const { kept } = this.#rules;
    return this.#kept.total < kept && this.#kept.of(known) < Math.ceil(kept / 2);
  }
}

/** Places by who has them. */
class Taken {
  total = 0;
  readonly #by = new Map<string, number>();

  of(who: string): number {
    return this.#by.get(who) ?? 0;
  }

  add(who: string): Place {
    this.#change(who, 1);
    let isHeld = true;
    return {
      release: () => {
        if (isHeld) this.#change(who, -1);
        isHeld = false;
      },
    };
  }

  #change(who: string, by: number): void {
    const count = this.of(who) + by;
    this.total += by;
    if (count === 0) this.#by.delete(who);
    else this.#by.set(who, count);
  }
}

/**
 * Who is behind an address, as far as places go: an IPv4 address, or the /64 of an IPv6 address, of which any host has
 * as many as it likes.
 */
export function sourceOf(address: string): string {
  const plain = plainAddress(address);
  if (plain === '' || isIPv4(plain)) return plain;
  const [before = [], after = []] = plain
    .split('::')
    .map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0');
  const network = [...before, ...zeros, ...after].slice(0, 4);
  return `${network.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}

/** Without the zone of a link-local address, and IPv4 as such where it came by an IPv6 socket. */
export function plainAddress(address: string): string {
  const [plain = ''] = address.split('%');
  const mapped = plain.replace(/^::ffff:/i, '');
  return isIPv4(mapped) ? mapped : plain;
}
