import { setMaxListeners } from 'node:events';
import type { Socket } from 'node:net';
import type { Connection, ServerChannel, Session } from 'ssh2';
import { messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import type { Admission } from '../admission.ts';
import { Authenticator } from '../auth/authenticator.ts';
import type { FailureCounter } from '../auth/failures.ts';
import type { PasswordChecker } from '../auth/passwords.ts';
import type { Account, Users } from '../auth/users.ts';
import type { Engine } from '../engine/ports.ts';
import { openHome } from '../home.ts';
import type { Jail } from '../paths/jail.ts';
import type { AnswerGate } from '../sftp/context.ts';
import { Handles } from '../sftp/handles.ts';
import { serveSftp } from '../sftp/session.ts';
import { sendsLinkFirst } from '../sftp/symlink-order.ts';
import { stalledWriteLimitMs, watchStalledWrites } from './dead-peers.ts';

/** As OpenSSH's MaxSessions. */
const maxSessions = 10;

/**
 * A client that keeps to the window of its channel (2 MiB, filled up again when half is used) never has more than two
 * of them unread here. ssh2 takes what comes beyond it all the same.
 */
const maxUnreadBytes = 8 * 1024 * 1024;

/** Numbers for the log: all lines of one connection carry the same. */
let lastSession = 0;

export interface ConnectionOptions {
  readonly users: Users;
  readonly passwords: PasswordChecker;
  readonly failures: FailureCounter;
  readonly engine: Engine;
  readonly gate: AnswerGate;
  readonly admission: Admission;
  readonly filesRoot: string;
  /** The same, for what the engine says of paths. */
  readonly tree: Jail;
  /** The client's line that names its software. */
  readonly identification: string;
  readonly log: Logger;
  readonly onHandles: (handles: Handles, open: boolean) => void;
}

/** One client: its login, and the SFTP sessions it opens. Whatever else SSH offers is refused. */
export class ClientConnection {
  readonly #ssh: Connection;
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #log: Logger;
  readonly #address: string;
  readonly #identification: string;
  readonly #since = performance.now();
  #account: Account | null = null;
  #sessions = 0;
  /** The SFTP sessions: each ends with its channel, and all with the connection. */
  readonly #running = new Map<ServerChannel, AbortController>();

  constructor(
    ssh: Connection,
    socket: Socket,
    options: ConnectionOptions,
    { onLogin, onClose }: { readonly onLogin: () => void; readonly onClose: () => void },
  ) {
    this.#ssh = ssh;
    this.#socket = socket;
    this.#options = options;
    this.#address = socket.remoteAddress ?? '';
    lastSession += 1;
    this.#log = options.log.child({ address: this.#address, session: lastSession });
    this.#identification = options.identification.slice(0, 255);
    const closed = new AbortController();
    const authenticator = new Authenticator({
      ...options,
      address: this.#address,
      closed: closed.signal,
      log: this.#log,
      onLogin: (account, method, algorithm) => {
        this.#account = account;
        onLogin();
        this.#log.info({ audit: 'login', user: account.name, method, algorithm }, 'login');
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
    ssh.on('error', (error) => this.#failed(error));
    ssh.on('end', () => closed.abort());
    socket.on('data', () => this.#hangUpFlood());
    watchStalledWrites(socket, stalledWriteLimitMs, () => {
      this.#log.warn({ user: this.user }, 'a client takes nothing in any more: the connection is closed');
      this.hangUp();
    });
    ssh.on('close', () => {
      closed.abort();
      for (const session of this.#running.values()) session.abort();
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

  /** Whether all that was said, good-bye included, is with the kernel. */
  get isFlushed(): boolean {
    return this.#socket.writableFinished || this.#socket.destroyed;
  }

  /** Closes at once: nothing more leaves, whatever is buffered. */
  hangUp(): void {
    this.#socket.destroy();
  }

  #failed({ message }: Error): void {
    // In the words of our patch of ssh2, with what both sides offer.
    if (!message.includes('no matching')) this.#log.debug({ reason: message }, 'the connection failed');
    else this.#log.warn({ code: 'NO_COMMON_ALGORITHM', client: this.#identification }, message);
  }

  /** Takes nothing from the client, and lets nothing leave for it: if it is hung up on, nothing will have. */
  pause(): void {
    this.#socket.pause();
    this.#socket.cork();
  }

  resume(): void {
    this.#socket.uncork();
    this.#socket.resume();
  }

  #session(session: Session): void {
    this.#sessions += 1;
    // A client may say close as often as it likes.
    session.once('close', () => {
      this.#sessions -= 1;
    });
    for (const unwanted of ['pty', 'env', 'shell', 'exec', 'x11', 'auth-agent', 'signal'] as const) {
      session.on(unwanted as 'shell', (_accept: unknown, reject: unknown) => {
        if (typeof reject === 'function') reject();
      });
    }
    session.on('subsystem', (accept, reject, { name }) => {
      if (name !== 'sftp' || this.#account === null) {
        reject?.();
        return;
      }
      // Nothing comes of it when the session has a subsystem already, or was closed.
      const channel = accept() as ServerChannel | undefined;
      if (channel !== undefined) void this.#sftp(channel, this.#account);
    });
  }

  async #sftp(channel: ServerChannel, account: Account): Promise<void> {
    const { onHandles } = this.#options;
    const handles = new Handles();
    const log = this.#log.child({ user: account.name });
    const aborter = new AbortController();
    setMaxListeners(0, aborter.signal);
    channel.on('error', (error: Error) => log.debug({ reason: error.message }, 'the SFTP channel failed'));
    this.#running.set(channel, aborter);
    onHandles(handles, true);
    try {
      await this.#serve(channel, aborter.signal, account, handles, log);
      // Without an exit status OpenSSH's scp and sftp report a failure.
      channel.exit(0);
      channel.end();
    } catch (error) {
      if (!aborter.signal.aborted) log.warn({ reason: messageOf(error) }, 'the SFTP session was ended');
      this.hangUp();
    } finally {
      aborter.abort();
      this.#running.delete(channel);
      onHandles(handles, false);
    }
  }

  async #serve(channel: ServerChannel, signal: AbortSignal, account: Account, handles: Handles, log: Logger) {
    const { engine, gate, admission, filesRoot, tree } = this.#options;
    const connection = { channel, socket: this.#socket, signal, hangUp: () => this.hangUp() };
    const home = await openHome(filesRoot, account.home, engine, signal, log);
    try {
      const linkFirst = sendsLinkFirst(this.#identification);
      const context = {
        user: account.name,
        ...home,
        ...{ tree, handles, gate, admission, linkFirst },
        audit: log,
      };
      await serveSftp(connection, context, log);
    } finally {
      home.jail.close();
    }
  }

  #hangUpFlood(): void {
    for (const channel of this.#running.keys()) {
      if (channel.readableLength <= maxUnreadBytes) continue;
      this.#log.warn({ user: this.user }, 'a client sent more than its window: the connection is closed');
      this.hangUp();
    }
  }
}
