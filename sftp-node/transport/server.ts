import type { Socket } from 'node:net';
import ssh2 from 'ssh2';
import type { Logger } from '#contracts/log.ts';
import { signatureAlgorithms } from '../auth/signatures.ts';
import { algorithms } from './algorithms.ts';
import { ClientConnection, type ConnectionOptions, loginGraceMs } from './connection.ts';
import type { Port } from './port.ts';

/** As OpenSSH's MaxStartups: connections that have not logged in yet. */
const maxUnauthenticated = 200;

export type ServerOptions = Omit<ConnectionOptions, 'identification'>;

/** Accepts clients while it is told to, and knows those that are connected. */
export class SftpServer {
  readonly #ssh: ssh2.Server;
  readonly #options: ServerOptions;
  readonly #log: Logger;
  readonly #clients = new Set<ClientConnection>();
  /** Sockets that have not identified themselves as SSH yet, by the address and port of the client. */
  readonly #arriving = new Map<string, Socket>();

  constructor(hostKeys: Buffer[], options: ServerOptions) {
    this.#options = options;
    this.#log = options.log;
    const config = {
      hostKeys,
      ident: 'Holdfast',
      keepaliveInterval: 15_000,
      keepaliveCountMax: 3,
      algorithms,
      /** Read by our patch of ssh2 for each client. */
      get serverSigAlgs() {
        return signatureAlgorithms(options.users.anyLegacySha1);
      },
    };
    this.#ssh = new ssh2.Server(config, (connection, { ip, port, header }) =>
      this.#connected(connection, keyOf(ip, port), String(header.identRaw)),
    );
  }

  get clients(): readonly ClientConnection[] {
    return [...this.#clients];
  }

  /** Takes the clients of this port from now on. */
  serve(port: Port): void {
    // A connection that cannot be taken, for want of descriptors: those that are here go on.
    port.serve(
      (socket) => this.#accept(socket),
      (error) =>
        this.#log.error({ code: 'SFTP_NODE_FAILED', reason: error.message }, 'a client was not taken'),
    );
  }

  endClients(): void {
    for (const client of this.#clients) client.end();
  }

  hangUpClients(): void {
    for (const client of this.#clients) client.hangUp();
    for (const socket of this.#arriving.values()) socket.destroy();
  }

  #accept(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    // While the service moves away the port stays ours.
    if (
      !this.#options.admission.isOpen ||
      this.#unauthenticated >= maxUnauthenticated ||
      this.#options.failures.isRefused(address)
    ) {
      socket.destroy();
      return;
    }
    const key = keyOf(address, socket.remotePort);
    const grace = setTimeout(() => this.#arriving.get(key)?.destroy(), loginGraceMs);
    this.#arriving.set(key, socket);
    socket.on('error', (error) => this.#log.debug({ address, reason: error.message }, 'a socket failed'));
    socket.on('close', () => {
      clearTimeout(grace);
      this.#arriving.delete(key);
    });
    this.#ssh.injectSocket(socket);
  }

  get #unauthenticated(): number {
    return this.#arriving.size + this.clients.filter((client) => client.user === null).length;
  }

  /** ssh2 tells of a connection when the client has sent its identification. */
  #connected(connection: ssh2.Connection, key: string, identification: string): void {
    const socket = this.#arriving.get(key);
    if (socket === undefined) {
      connection.end();
      return;
    }
    this.#arriving.delete(key);
    const client: ClientConnection = new ClientConnection(
      connection,
      socket,
      { ...this.#options, identification },
      () => this.#clients.delete(client),
    );
    this.#clients.add(client);
  }
}

function keyOf(address: string | undefined, port: number | undefined): string {
  return `${address ?? ''} ${port ?? ''}`;
}
