/** Checks under way at once: each takes 19 MiB and a thread of the pool that file syncs use as well. */
const maxRunning = 2;
const maxWaiting = 32;

/** A hash that no password matches, so that an unknown user takes as long as a known one. */
const nobody =
  '$argon2id$v=19$m=19456,t=2,p=1$YWJjZGVmZ2hpamtsbW5vcA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

/** Verifies passwords a few at a time; the library is loaded with the first. */
export class PasswordChecker {
  #running = 0;
  readonly #queue: (() => void)[] = [];

  /** @param hash argon2id in PHC form; null for a user that has none, or that does not exist */
  async matches(hash: string | null, password: string): Promise<boolean> {
    if (this.#running >= maxRunning) {
      if (this.#queue.length >= maxWaiting) return false;
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    }
    this.#running += 1;
    try {
      const { verify } = await import('@node-rs/argon2');
      const matches = await verify(hash ?? nobody, password).catch(() => false);
      return matches && hash !== null;
    } finally {
      this.#running -= 1;
      this.#queue.shift()?.();
    }
  }
}
