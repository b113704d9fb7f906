import { createServer, type Server, type Socket } from 'node:net';
import { codeOf, HoldfastError, messageOf } from '#contracts/errors.ts';

const maxConnections = 2000;
/** Clients that came before the port was served: so many wait for so long, the others are refused. */
const maxEarly = 200;
const earlyLimitMs = 2000;

/** A port that is listened on. Until somebody serves it, clients that connect wait. */
export class Port {
  readonly #net: Server;
  #serve: ((socket: Socket) => void) | null = null;
  readonly #early = new Set<Socket>();

  private constructor(net: Server) {
    this.#net = net;
    net.maxConnections = maxConnections;
    net.on('connection', (socket: Socket) => this.#take(socket));
  }

  /** @throws HoldfastError PORT_IN_USE, PORT_FORBIDDEN, SFTP_NODE_FAILED */
  static open(address: string, port: number): Promise<Port> {
    return new Promise((resolve, reject) => {
      const net = createServer({ noDelay: true });
      const opened = new Port(net);
      const refused = (error: Error) => reject(listenError(error, address, port));
      net.once('error', refused);
      net.listen(port, address, () => {
        net.off('error', refused);
        resolve(opened);
      });
    });
  }

  get number(): number {
    const bound = this.#net.address();
    return typeof bound === 'object' && bound !== null ? bound.port : 0;
  }

  /** @param onError a connection could not be taken, as for want of descriptors */
  serve(onConnection: (socket: Socket) => void, onError: (error: Error) => void): void {
    this.#net.on('error', onError);
    this.#serve = onConnection;
    const early = [...this.#early];
    this.#early.clear();
    for (const socket of early) if (!socket.destroyed) onConnection(socket.off('error', ignore));
  }

  #take(socket: Socket): void {
    if (this.#serve !== null) {
      this.#serve(socket);
      return;
    }
    if (this.#early.size >= maxEarly) {
      socket.destroy();
      return;
    }
    socket.on('error', ignore);
    this.#early.add(socket);
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
