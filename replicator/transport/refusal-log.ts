import { sourceOf } from '#contracts/connection-places.ts';
import type { Logger } from '#contracts/log.ts';

const everyMs = 60_000;
/** Told apart in one period; refusals of more of them are counted alone. */
const maxSources = 64;

/**
 * Who is not let in is a line in the log; who comes again and again is one line a period, and a number at its end.
 * Anybody can be refused as often as a handshake takes.
 */
export class RefusalLog {
  readonly #log: Logger;
  readonly #told = new Set<string>();
  #untold = 0;
  #period: NodeJS.Timeout | null = null;

  constructor(log: Logger) {
    this.#log = log;
  }

  tell(address: string, fields: { readonly code: string }, sentence: string): void {
    const who = `${fields.code} ${sourceOf(address)}`;
    if (this.#told.has(who) || this.#told.size >= maxSources) this.#untold += 1;
    else {
      this.#told.add(who);
      this.#log.warn({ ...fields, address }, sentence);
    }
    this.#period ??= setTimeout(() => this.#end(), everyMs).unref();
  }

  #end(): void {
    const [sources, more] = [this.#told.size, this.#untold];
    this.#told.clear();
    this.#untold = 0;
    this.#period = null;
    if (more === 0) return;
    const what =
      'more connections were refused as peers, of sources that were told before, or of too many to tell';
    this.#log.warn({ code: 'PEER_REFUSED', more, sources }, what);
  }
}
