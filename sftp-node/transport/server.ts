import type { Socket } from 'node:net';
import ssh2 from 'ssh2';
import { Arrivals } from '#contracts/arrivals.ts';
import type { Logger } from '#contracts/log.ts';
import { signatureAlgorithms } from '../auth/signatures.ts';
import { algorithms } from './algorithms.ts';
import { ClientConnection, type ConnectionOptions } from './connection.ts';
import type { Port } from './port.ts';
import type { Startup } from './startups.ts';

/** From the accept to the login. As OpenSSH's LoginGraceTime, though shorter: a login takes well below a second. */
export const loginGraceMs = 30_000;

/** As OpenSSH's options of these names. */
export interface ClientAlive {
  /** 0: never. */
  readonly clientAliveIntervalMs: number;
  readonly clientAliveCountMax: number;
}

export type ServerOptions = Omit<ConnectionOptions, 'identification'>;

interface Arrival {
  readonly socket: Socket;
  loggedIn(): void;
}

/** Accepts clients while it is told to, and knows those that are connected. */
export class SftpServer {
  readonly #ssh: ssh2.Server;
  readonly #options: ServerOptions;
  readonly #log: Logger;
  readonly #clients = new Set<ClientConnection>();
  #isPaused = false;
  readonly #arrivals = new Arrivals<Arrival>();

  constructor(hostKeys: Buffer[], alive: ClientAlive, options: ServerOptions) {
    this.#options = options;
    this.#log = options.log;
    const config = {
      hostKeys,
      ident: 'Holdfast',
      keepaliveInterval: alive.clientAliveIntervalMs,
      keepaliveCountMax: alive.clientAliveCountMax,
      algorithms,
      /** Read by our patch of ssh2 for each client. */
      get serverSigAlgs() {
        return signatureAlgorithms(options.users.anyLegacySha1);
      },
    };
    this.#ssh = new ssh2.Server(config, (connection, { ip, port, header }) =>
      this.#connected(connection, this.#arrivals.take(ip, port), String(header.identRaw)),
    );
  }

  get clients(): readonly ClientConnection[] {
    return [...this.#clients];
  }

  /** Takes the clients of this port from now on. */
  serve(port: Pick<Port, 'serve'>): void {
    // A connection that cannot be taken, for want of descriptors: those that are here go on.
    port.serve(
      (socket, startup) => this.#accept(socket, startup),
      (error) =>
        this.#log.error({ code: 'SFTP_NODE_FAILED', reason: error.message }, 'a client was not taken'),
    );
  }

  endClients(): void {
    for (const client of this.#clients) client.end();
  }

  hangUpClients(): void {
    for (const client of this.#clients) client.hangUp();
    this.#arrivals.destroy();
  }

  /** Takes nothing from clients and sends them nothing until `resumeClients`, or the end. */
  pauseClients(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    for (const client of this.#clients) client.pause();
  }

  resumeClients(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    for (const client of this.#clients) client.resume();
  }

  #accept(socket: Socket, startup: Startup): void {
    const address = socket.remoteAddress ?? '';
    // While the service moves away the port stays ours.
    if (!this.#options.admission.isOpen || this.#options.failures.isRefused(address)) {
      socket.destroy();
      return;
    }
    const grace = setTimeout(() => socket.destroy(), loginGraceMs);
    const loggedIn = () => {
      clearTimeout(grace);
      startup.loggedIn();
    };
    this.#arrivals.add(socket, { socket, loggedIn });
    socket.on('error', (error) => this.#log.debug({ address, reason: error.message }, 'a socket failed'));
    socket.on('close', () => clearTimeout(grace));
    this.#ssh.injectSocket(socket);
  }

  /** ssh2 tells of a connection when the client has sent its identification. */
  #connected(connection: ssh2.Connection, arrived: Arrival | undefined, identification: string): void {
    if (arrived === undefined) {
      connection.on('error', () => {});
      connection.end();
      return;
    }
    const { socket, loggedIn } = arrived;
    const client: ClientConnection = new ClientConnection(
      connection,
      socket,
      { ...this.#options, identification },
      {
        onLogin: loggedIn,
        onClose: () => this.#clients.delete(client),
      },
    );
    this.#clients.add(client);
  }
}
