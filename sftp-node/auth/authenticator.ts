import { timingSafeEqual } from 'node:crypto';
import type { AuthContext, PublicKeyAuthContext } from 'ssh2';
import type { Logger } from '#contracts/log.ts';
import type { FailureCounter } from './failures.ts';
import type { PasswordChecker } from './passwords.ts';
import type { Account, Users } from './users.ts';

/** As OpenSSH's MaxAuthTries. */
const maxTries = 6;
const maxPasswordBytes = 1024;

export interface AuthenticatorOptions {
  readonly users: Users;
  readonly passwords: PasswordChecker;
  readonly failures: FailureCounter;
  readonly address: string;
  readonly log: Logger;
  readonly onLogin: (account: Account, method: string) => void;
  readonly hangUp: () => void;
}

/** The logins of one connection. */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  #failures = 0;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  handle(context: AuthContext): void {
    this.#check(context).catch((error) => {
      this.#options.log.error({ err: error }, 'a login could not be checked');
      context.reject(['publickey', 'password']);
    });
  }

  async #check(context: AuthContext): Promise<void> {
    const account = this.#options.users.find(context.username);
    if (context.method === 'publickey') this.#publicKey(context, account);
    else if (context.method === 'password') await this.#password(context.password, context, account);
    else context.reject(['publickey', 'password']);
  }

  /** A client asks first whether a key would do, without a signature, and proves afterwards that it has it. */
  #publicKey(context: PublicKeyAuthContext, account: Account | undefined): void {
    const key = account?.keys.find((candidate) => sameKey(candidate.getPublicSSH(), context.key.data));
    if (account === undefined || key === undefined) {
      // An offer of a key that does not fit is no guess at a secret: agents offer all they have.
      if (context.signature !== undefined) this.#failed(context);
      else this.#refuse(context);
      return;
    }
    if (context.signature === undefined || context.blob === undefined) {
      context.accept();
      return;
    }
    if (key.verify(context.blob, context.signature, context.hashAlgo) !== true) {
      this.#failed(context);
      return;
    }
    context.accept();
    this.#options.onLogin(account, 'publickey');
  }

  async #password(password: string, context: AuthContext, account: Account | undefined): Promise<void> {
    const { passwords } = this.#options;
    const fits = Buffer.byteLength(password) <= maxPasswordBytes;
    const matches = fits && (await passwords.matches(account?.passwordHash ?? null, password));
    // The user may have been removed, or given another password, while this one was checked.
    const accountNow = this.#options.users.find(context.username);
    if (!matches || accountNow === undefined || accountNow.passwordHash !== account?.passwordHash) {
      this.#failed(context);
      return;
    }
    context.accept();
    this.#options.onLogin(accountNow, 'password');
  }

  #failed(context: AuthContext): void {
    const { failures, address, log } = this.#options;
    failures.failed(address);
    log.warn(
      { audit: 'login-failed', user: context.username.slice(0, 128), address, method: context.method },
      'login failed',
    );
    this.#refuse(context);
  }

  #refuse(context: AuthContext): void {
    this.#failures += 1;
    context.reject(['publickey', 'password']);
    if (this.#failures >= maxTries) this.#options.hangUp();
  }
}

function sameKey(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
