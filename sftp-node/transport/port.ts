import { createServer, type Server, type Socket } from 'node:net';
import { bootTimeMs } from '#contracts/boot-time.ts';
import { codeOf, HoldfastError, messageOf } from '#contracts/errors.ts';
import { keepAlive } from './dead-peers.ts';
import type { Startup, Startups } from './startups.ts';

const maxConnections = 2000;
/** Clients that came before the port was served wait for so long. */
const earlyLimitMs = 2000;
/** A connection that could not be taken counts for so long. */
const failureCountsMs = 10_000;

/** A port that is listened on. Until somebody serves it, clients that connect wait. */
export class Port {
  readonly #net: Server;
  readonly #startups: Startups;
  #serve: ((socket: Socket, startup: Startup) => void) | null = null;
  #onError: (error: Error) => void = () => {};
  readonly #early = new Map<Socket, Startup>();
  #failedAtMs = Number.NEGATIVE_INFINITY;

  private constructor(net: Server, startups: Startups) {
    this.#net = net;
    this.#startups = startups;
    net.maxConnections = maxConnections;
    net.on('connection', (socket: Socket) => this.#accept(socket));
  }

  /** @throws HoldfastError PORT_IN_USE, PORT_FORBIDDEN, SFTP_NODE_FAILED */
  static open(address: string, port: number, startups: Startups): Promise<Port> {
    return new Promise((resolve, reject) => {
      const net = createServer({ noDelay: true });
      const opened = new Port(net, startups);
      const refused = (error: Error) => reject(listenError(error, address, port));
      net.once('error', refused);
      net.listen(port, address, () => {
        net.off('error', refused);
        net.on('error', (error) => opened.#notTaken(error));
        resolve(opened);
      });
    });
  }

  get number(): number {
    const bound = this.#net.address();
    return typeof bound === 'object' && bound !== null ? bound.port : 0;
  }

  get isListening(): boolean {
    return this.#net.listening;
  }

  /** Whether the kernel gave us every connection lately. */
  get isAccepting(): boolean {
    return this.isListening && bootTimeMs() - this.#failedAtMs > failureCountsMs;
  }

  /** Connections that were dropped before their login. */
  get dropped(): number {
    return this.#startups.dropped;
  }

  /** @param onError a connection could not be taken, as for want of descriptors */
  serve(onConnection: (socket: Socket, startup: Startup) => void, onError: (error: Error) => void): void {
    this.#onError = onError;
    this.#serve = onConnection;
    const early = [...this.#early];
    this.#early.clear();
    for (const [socket, startup] of early) {
      if (!socket.destroyed) onConnection(socket.off('error', ignore), startup);
    }
  }

  #notTaken(error: Error): void {
    this.#failedAtMs = bootTimeMs();
    this.#onError(error);
  }

  #accept(socket: Socket): void {
    const startup = this.#startups.admit(socket);
    if (startup === null) return;
    keepAlive(socket);
    if (this.#serve !== null) {
      this.#serve(socket, startup);
      return;
    }
    socket.on('error', ignore);
    this.#early.set(socket, startup);
    setTimeout(() => {
      if (this.#early.delete(socket)) socket.destroy();
    }, earlyLimitMs).unref();
  }
}

const ignore = () => {};

function listenError(error: Error, address: string, port: number): HoldfastError {
  const where = `port ${port} of ${address}`;
  if (codeOf(error) === 'EADDRINUSE') {
    return new HoldfastError('PORT_IN_USE', `${where} is in use by another program`, { cause: error });
  }
  if (codeOf(error) === 'EACCES') {
    return new HoldfastError('PORT_FORBIDDEN', `this process may not listen on ${where}`, { cause: error });
  }
  return new HoldfastError('SFTP_NODE_FAILED', `${where} cannot be listened on: ${messageOf(error)}`, {
    cause: error,
  });
}
