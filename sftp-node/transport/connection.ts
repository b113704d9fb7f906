import type { Socket } from 'node:net';
import type { Connection, ServerChannel, Session } from 'ssh2';
import { messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import { Authenticator } from '../auth/authenticator.ts';
import type { FailureCounter } from '../auth/failures.ts';
import type { PasswordChecker } from '../auth/passwords.ts';
import type { Account, Users } from '../auth/users.ts';
import { openJail } from '../home.ts';
import type { Mutations } from '../mutations.ts';
import { Handles } from '../sftp/handles.ts';
import { serveSftp } from '../sftp/session.ts';

/** As OpenSSH's LoginGraceTime, though shorter: a login takes well below a second. */
export const loginGraceMs = 30_000;
/** As OpenSSH's MaxSessions. */
const maxSessions = 10;

export interface ConnectionParts {
  readonly users: Users;
  readonly passwords: PasswordChecker;
  readonly failures: FailureCounter;
  readonly mutations: Mutations;
  readonly filesRoot: string;
  readonly log: Logger;
  readonly onHandles: (handles: Handles, open: boolean) => void;
}

/** One client: its login, and the SFTP sessions it opens. Whatever else SSH offers is refused. */
export class ClientConnection {
  readonly #ssh: Connection;
  readonly #socket: Socket;
  readonly #parts: ConnectionParts;
  readonly #log: Logger;
  readonly #address: string;
  readonly #since = performance.now();
  #account: Account | null = null;
  #sessions = 0;

  constructor(ssh: Connection, socket: Socket, parts: ConnectionParts, onClose: () => void) {
    this.#ssh = ssh;
    this.#socket = socket;
    this.#parts = parts;
    this.#address = socket.remoteAddress ?? '';
    this.#log = parts.log.child({ address: this.#address });
    const grace = setTimeout(() => this.hangUp(), loginGraceMs);
    const authenticator = new Authenticator({
      ...parts,
      address: this.#address,
      log: this.#log,
      onLogin: (account, method) => {
        clearTimeout(grace);
        this.#account = account;
        this.#log.info({ audit: 'login', user: account.name, method }, 'login');
      },
      hangUp: () => ssh.end(),
    });
    ssh.on('authentication', (context) => authenticator.handle(context));
    ssh.on('session', (accept, reject) => {
      if (this.#sessions >= maxSessions) reject();
      else this.#session(accept());
    });
    // Port forwarding and what else comes as a global request or another channel.
    ssh.on('request', (_accept, reject) => reject?.());
    ssh.on('tcpip', (_accept, reject) => reject());
    ssh.on('openssh.streamlocal', (_accept, reject) => reject());
    ssh.on('error', (error) => this.#log.debug({ reason: error.message }, 'the connection failed'));
    ssh.on('close', () => {
      clearTimeout(grace);
      if (this.#account !== null) {
        const durationMs = Math.round(performance.now() - this.#since);
        this.#log.info({ audit: 'logout', user: this.#account.name, durationMs }, 'logout');
      }
      onClose();
    });
  }

  get user(): string | null {
    return this.#account?.name ?? null;
  }

  /** Says good-bye and closes; what is on the way to the client is still sent. */
  end(): void {
    this.#ssh.end();
    this.#socket.end();
  }

  /** Closes at once: nothing more leaves, whatever is buffered. */
  hangUp(): void {
    this.#socket.destroy();
  }

  #session(session: Session): void {
    this.#sessions += 1;
    session.on('close', () => {
      this.#sessions -= 1;
    });
    for (const unwanted of ['pty', 'env', 'shell', 'exec', 'x11', 'auth-agent', 'signal'] as const) {
      session.on(unwanted as 'shell', (_accept: unknown, reject: unknown) => {
        if (typeof reject === 'function') reject();
      });
    }
    session.on('subsystem', (accept, reject, { name }) => {
      if (name !== 'sftp' || this.#account === null) reject();
      else void this.#sftp(accept(), this.#account);
    });
  }

  async #sftp(channel: ServerChannel, account: Account): Promise<void> {
    const { mutations, filesRoot, onHandles } = this.#parts;
    const handles = new Handles();
    const log = this.#log.child({ user: account.name });
    channel.on('error', (error: Error) => log.debug({ reason: error.message }, 'the SFTP channel failed'));
    onHandles(handles, true);
    try {
      const jail = await openJail(filesRoot, account.home, mutations);
      try {
        await serveSftp(channel, { user: account.name, jail, handles, mutations, audit: log }, log);
      } finally {
        jail.close();
      }
      // Without an exit status OpenSSH's scp and sftp report a failure.
      channel.exit(0);
      channel.end();
    } catch (error) {
      log.warn({ reason: messageOf(error) }, 'the SFTP session was ended');
      this.hangUp();
    } finally {
      onHandles(handles, false);
    }
  }
}
