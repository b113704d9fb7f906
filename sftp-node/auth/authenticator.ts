import { timingSafeEqual } from 'node:crypto';
import type { AuthContext, ParsedKey, PasswordAuthContext, PublicKeyAuthContext } from 'ssh2';
import type { Logger } from '#contracts/log.ts';
import type { FailureCounter } from './failures.ts';
import type { PasswordChecker } from './passwords.ts';
import { signsWithSha1 } from './signatures.ts';
import type { Account, Users } from './users.ts';

/** As OpenSSH's MaxAuthTries: wrong passwords, and signatures that are not taken. */
const maxTries = 6;
/**
 * Requests that guess at nothing: keys that are offered without a signature, of which an agent may hold many, and methods
 * that are not served. So many are answered on one connection.
 */
const maxOffers = 100;
const maxPasswordBytes = 1024;
const methods = ['publickey', 'password'] as const;

export interface AuthenticatorOptions {
  readonly users: Pick<Users, 'find'>;
  readonly passwords: PasswordChecker;
  readonly failures: FailureCounter;
  readonly address: string;
  /** The end of the connection. */
  readonly closed: AbortSignal;
  readonly log: Logger;
  readonly onLogin: (account: Account, method: string, algorithm: string | null) => void;
  readonly hangUp: () => void;
}

/** The logins of one connection. */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  #tries = 0;
  #offers = 0;
  #toldOfSha1 = false;
  #hungUp = false;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  handle(context: AuthContext): void {
    if (this.#isOver) return;
    this.#check(context).catch((error) => {
      this.#options.log.error({ err: error }, 'a login could not be checked');
      this.#refuseTry(context);
    });
  }

  /** Hung up, or about to be: what was sent meanwhile is not answered. */
  get #isOver(): boolean {
    return this.#tries >= maxTries || this.#offers > maxOffers || this.#options.closed.aborted;
  }

  async #check(context: AuthContext): Promise<void> {
    const account = this.#options.users.find(context.username);
    if (context.method === 'password') await this.#password(context, account);
    else if (context.method !== 'publickey') this.#refuseOffer(context);
    else if (context.signature === undefined) this.#offer(context, account);
    else this.#signature(context, context.signature, account);
  }

  /** A client asks first whether a key would do, without a signature, and proves afterwards that it has it. */
  #offer(context: PublicKeyAuthContext, account: Account | undefined): void {
    if (this.#keyOf(context, account) === null || this.#offers >= maxOffers) {
      this.#refuseOffer(context);
      return;
    }
    this.#offers += 1;
    context.accept();
  }

  #signature(context: PublicKeyAuthContext, signature: Buffer, account: Account | undefined): void {
    const key = this.#keyOf(context, account);
    const { blob, hashAlgo } = context;
    const isGenuine = blob !== undefined && key?.verify(blob, signature, hashAlgo) === true;
    if (account === undefined || !isGenuine) {
      this.#failed(context);
      return;
    }
    context.accept();
    this.#options.onLogin(account, 'publickey', algorithmOf(context));
  }

  /** The user's key that the client names; null when there is none, or when its algorithm is not taken. */
  #keyOf(context: PublicKeyAuthContext, account: Account | undefined): ParsedKey | null {
    const key = account?.keys.find((candidate) => sameKey(candidate.getPublicSSH(), context.key.data));
    // The algorithm is the client's word. Under the name of another key's an RSA signature would be taken with SHA-1.
    if (account === undefined || key === undefined || key.type !== context.key.algo) return null;
    if (signsWithSha1(key.type, context.hashAlgo) && !account.legacySha1) {
      this.#tellOfSha1(context);
      return null;
    }
    return key;
  }

  async #password(context: PasswordAuthContext, account: Account | undefined): Promise<void> {
    const { passwords, users, address, closed } = this.#options;
    const hash = account?.passwordHash ?? null;
    // ssh2 hands on an object when the client wants to change its password.
    const { password } = context as { password: unknown };
    if (typeof password !== 'string' || Buffer.byteLength(password) > maxPasswordBytes) {
      this.#failed(context);
      return;
    }
    const verdict = await passwords.check({ hash, password, source: address, closed });
    if (verdict === 'abandoned') return;
    if (verdict === 'unusable') this.#tellOfHash(context.username);
    // The user may have been removed, or given another password, while this one was checked.
    const accountNow = users.find(context.username);
    if (verdict !== 'right' || accountNow === undefined || accountNow.passwordHash !== hash) {
      this.#failed(context);
      return;
    }
    if (closed.aborted) return;
    context.accept();
    this.#options.onLogin(accountNow, 'password', null);
  }

  #failed(context: AuthContext): void {
    const { failures, address, log } = this.#options;
    failures.failed(address);
    log.warn(
      { audit: 'login-failed', user: shown(context.username), address, method: context.method },
      'login failed',
    );
    this.#refuseTry(context);
  }

  #refuseTry(context: AuthContext): void {
    this.#tries += 1;
    this.#refuse(context);
  }

  #refuseOffer(context: AuthContext): void {
    this.#offers += 1;
    this.#refuse(context);
  }

  /** ssh2 hands on the next request of the client while it refuses this one, so this is counted before. */
  #refuse(context: AuthContext): void {
    if (this.#options.closed.aborted) return;
    context.reject([...methods]);
    if (!this.#isOver || this.#hungUp) return;
    this.#hungUp = true;
    const { log, address, hangUp } = this.#options;
    const { username } = context;
    log.info({ user: shown(username), address, tries: this.#tries, offers: this.#offers }, 'too many logins');
    hangUp();
  }

  #tellOfSha1(context: PublicKeyAuthContext): void {
    if (this.#toldOfSha1) return;
    this.#toldOfSha1 = true;
    const { log, address } = this.#options;
    const algorithm = algorithmOf(context);
    log.warn(
      { code: 'SHA1_REFUSED', user: shown(context.username), address, algorithm },
      `a key of the user was refused: ${algorithm} signs with SHA-1`,
    );
  }

  #tellOfHash(username: string): void {
    this.#options.log.error(
      { code: 'USERS_INVALID', user: shown(username) },
      "the user's passwordHash in users.yaml cannot be used: make another one with `holdfast password`",
    );
  }
}

/** As the client named it: ssh2 takes rsa-sha2-512 apart into the type of the key and the hash. */
function algorithmOf({ key, hashAlgo }: PublicKeyAuthContext): string {
  return hashAlgo === undefined ? key.algo : `rsa-sha2-${hashAlgo.slice('sha'.length)}`;
}

function shown(username: string): string {
  return username.slice(0, 128);
}

function sameKey(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
