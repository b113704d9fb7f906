import { codeOf, messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';

/** What goes wrong for everybody who asks etcd is said by the lease loop; others leave it to that. */
export const saidByLeaseLoop: readonly string[] = ['ETCD_UNREACHABLE', 'LEASE_LOST', 'ETCD_AUTH_FAILED'];

/** Says what goes wrong again and again once, and once more when something else goes wrong instead. */
export class TroubleLog {
  readonly #log: Logger;
  readonly #saidElsewhere: readonly string[];
  #code: string | null = null;

  constructor(log: Logger, saidElsewhere: readonly string[] = []) {
    this.#log = log;
    this.#saidElsewhere = saidElsewhere;
  }

  failed(error: unknown): void {
    const code = codeOf(error);
    if (this.#saidElsewhere.includes(code)) return;
    if (code !== this.#code) this.#log.error({ code }, messageOf(error));
    this.#code = code;
  }

  /** @param sentence said when there was something wrong before */
  succeeded(sentence: string): void {
    if (this.#code !== null) this.#log.info(sentence);
    this.#code = null;
  }
}
