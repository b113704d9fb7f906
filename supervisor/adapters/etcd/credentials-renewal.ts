import { codeOf, messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import type { Config } from '../../config/schema.ts';
import { stampOfFiles } from './credentials.ts';

const lookEveryMs = 1000;

/**
 * Certificates are renewed on disk, by a person or a program, while the service runs. When the files have changed, and
 * stood still from one look to the next, connections are opened anew; files that are no good are told, and what was
 * there before stays in use.
 */
export class CredentialsRenewal {
  readonly #tls: Config['etcd']['tls'];
  readonly #reopen: () => void;
  readonly #log: Logger | null;
  readonly #timer: NodeJS.Timeout | null;
  #used: string;
  #seen: string;

  /** @param reopen @throws HoldfastError ETCD_TLS_UNUSABLE */
  constructor(tls: Config['etcd']['tls'], reopen: () => void, log: Logger | null) {
    this.#tls = tls;
    this.#reopen = reopen;
    this.#log = log;
    this.#used = stampOfFiles(tls);
    this.#seen = this.#used;
    this.#timer = tls === undefined ? null : setInterval(() => this.#look(), lookEveryMs);
    this.#timer?.unref();
  }

  end(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  #look(): void {
    const stamp = stampOfFiles(this.#tls);
    const stoodStill = stamp === this.#seen;
    this.#seen = stamp;
    if (!stoodStill || stamp === this.#used) return;
    this.#used = stamp;
    try {
      this.#reopen();
      this.#log?.info('the certificates for etcd were renewed: connected anew');
    } catch (error) {
      const what = `${messageOf(error)}; the certificates read before stay in use`;
      this.#log?.error({ code: codeOf(error) }, what);
    }
  }
}
