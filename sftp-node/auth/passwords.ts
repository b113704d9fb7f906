import { Turns } from './turns.ts';

/** Checks under way at once: each takes a thread of the pool that file syncs use as well. */
const maxRunning = 2;
/** Memory of the checks under way. One takes what its hash says (`m=`): 19 MiB when `holdfast password` made it. */
const maxMemoryKib = 256 * 1024;
/** Passes over the memory (`t=`): beyond that a check would hold a thread for seconds. */
const maxPasses = 64;

/** A hash that no password matches, so that an unknown user takes as long as a known one. */
const nobody =
  '$argon2id$v=19$m=19456,t=2,p=1$YWJjZGVmZ2hpamtsbW5vcA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
const nobodyKib = 19_456;

export interface PasswordCheck {
  /** Argon2id in PHC form; null for a user that has none, or that does not exist. */
  readonly hash: string | null;
  readonly password: string;
  /** The client's address. */
  readonly source: string;
  /** The end of the connection: a check that waits is given up. */
  readonly closed: AbortSignal;
}

/** `unusable`: the hash is none, or takes more memory or passes than a check may. */
export type PasswordVerdict = 'right' | 'wrong' | 'unusable' | 'abandoned';

/**
 * Verifies passwords a few at a time; the library is loaded with the first. The others wait, as long as their connection
 * may take to log in: being busy is no reason to refuse one. A connection has one check at most, so that no more wait than
 * are let in before login.
 */
export class PasswordChecker {
  readonly #turns = new Turns({ running: maxRunning, memoryKib: maxMemoryKib });

  async check({ hash, password, source, closed }: PasswordCheck): Promise<PasswordVerdict> {
    const { parseOptions, verify } = await import('@node-rs/argon2');
    const memoryKib = hash === null ? null : memoryOf(hash, parseOptions);
    const usable = memoryKib === null ? null : hash;
    const release = await this.#turns.acquire(memoryKib ?? nobodyKib, source, closed);
    if (release === null) return 'abandoned';
    try {
      const matches = await verify(usable ?? nobody, password);
      if (hash !== null && usable === null) return 'unusable';
      return matches && usable !== null ? 'right' : 'wrong';
    } finally {
      release();
    }
  }
}

interface Cost {
  readonly memoryCost: number;
  readonly timeCost: number;
}

/** Null for a hash that cannot be used. */
function memoryOf(hash: string, parse: (hash: string) => Cost): number | null {
  try {
    const { memoryCost, timeCost } = parse(hash);
    return memoryCost <= maxMemoryKib && timeCost <= maxPasses ? memoryCost : null;
  } catch {
    return null;
  }
}
