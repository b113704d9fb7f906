import type { Socket } from 'node:net';

/**
 * Connections that a library has been handed and has not told of yet: ssh2 and Node's TLS server tell of them by address
 * and port alone, once the client has identified itself, or proved its key.
 */
export class Arrivals<Arrival> {
  readonly #byOrigin = new Map<string, { readonly socket: Socket; readonly arrival: Arrival }>();

  /** Until it is closed. */
  add(socket: Socket, arrival: Arrival): void {
    const origin = originOf(socket.remoteAddress, socket.remotePort);
    this.#byOrigin.set(origin, { socket, arrival });
    socket.once('close', () => {
      // Another connection from that port may be here already: a reset frees it before this is told.
      if (this.#byOrigin.get(origin)?.socket === socket) this.#byOrigin.delete(origin);
    });
  }

  /** The one that the library tells of, which is none of these from now on. */
  take(address: string, port: number): Arrival | undefined {
    const origin = originOf(address, port);
    const found = this.#byOrigin.get(origin)?.arrival;
    this.#byOrigin.delete(origin);
    return found;
  }

  /** Closes those that are here. */
  destroy(): void {
    for (const { socket } of this.#byOrigin.values()) socket.destroy();
  }
}

function originOf(address: string | undefined, port: number | undefined): string {
  return `${address ?? ''} ${port ?? ''}`;
}
