import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { hash } from '@node-rs/argon2';
import pino from 'pino';
import ssh2 from 'ssh2';
import { parseUsersFile } from '#contracts/config-root/users-file.ts';
import { newKey } from '../../../replicator/state/new-key.ts';
import { Authenticator } from '../../../sftp-node/auth/authenticator.ts';
import { FailureCounter } from '../../../sftp-node/auth/failures.ts';
import { PasswordChecker } from '../../../sftp-node/auth/passwords.ts';
import type { Account } from '../../../sftp-node/auth/users.ts';
import { accountsOf } from '../../../sftp-node/auth/users.ts';
import { RawLogin } from '../../lab/raw-login.ts';

/** As `holdfast password` does it, with less work for the machine. */
export function passwordHash(password: string): Promise<string> {
  return hash(password, { memoryCost: 1024, timeCost: 1 });
}

export function keyPair(type: 'ed25519' | 'rsa' | 'ecdsa' = 'ed25519'): ssh2.ParsedKey {
  const pem =
    type === 'rsa' ? ssh2.utils.generateKeyPairSync('rsa', { bits: 2048 }).private : newKey(type).privateKey;
  const key = ssh2.utils.parseKey(pem);
  if (key instanceof Error) throw key;
  return key;
}

/** As a line of users.yaml. */
export function publicLine(key: ssh2.ParsedKey): string {
  return `${key.type} ${key.getPublicSSH().toString('base64')}`;
}

const hostKey = newKey('ed25519').privateKey;

/** The logins of the node behind ssh2's server on loopback, with real keys and hashes. */
export class LoginDoor {
  readonly failures = new FailureCounter(() => 0);
  readonly lines: Record<string, unknown>[] = [];
  readonly logins: { user: string; method: string; algorithm: string | null }[] = [];
  readonly #accounts: ReadonlyMap<string, Account>;
  readonly #passwords = new PasswordChecker();
  readonly #clients: RawLogin[] = [];

  constructor(users: string) {
    this.#accounts = accountsOf(parseUsersFile(users, 'users.yaml'));
  }

  /** How many failures are counted for the clients' address: `isRefused` at thirty. */
  failuresLeft(): number {
    let left = 0;
    for (; !this.failures.isRefused('192.0.2.1'); left++) this.failures.failed('192.0.2.1');
    return left;
  }

  /** Serves one client, as the node's connections do. */
  async connect(): Promise<RawLogin> {
    const closed = new AbortController();
    const log = pino({ level: 'debug' }, { write: (line: string) => this.lines.push(JSON.parse(line)) });
    const server = new ssh2.Server({ hostKeys: [hostKey] }, (connection) => {
      const authenticator = new Authenticator({
        users: { find: (name) => this.#accounts.get(name) },
        passwords: this.#passwords,
        failures: this.failures,
        address: '192.0.2.1',
        closed: closed.signal,
        log,
        onLogin: ({ name }, method, algorithm) => this.logins.push({ user: name, method, algorithm }),
        hangUp: () => connection.end(),
      });
      connection.on('authentication', (context) => authenticator.handle(context));
      connection.on('error', () => {});
      connection.on('close', () => closed.abort());
    });
    const port = createServer((socket) => server.injectSocket(socket));
    await once(port.listen(0, '127.0.0.1'), 'listening');
    const login = await RawLogin.to((port.address() as AddressInfo).port);
    port.close();
    this.#clients.push(login);
    return login;
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }
}
