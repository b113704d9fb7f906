import type { Socket } from 'node:net';
import { ConnectionPlaces, type Place, type PlaceRules, sourceOf } from './connection-places.ts';
import { DroppedConnections } from './dropped-connections.ts';
import type { Logger } from './log.ts';

/** Lets connections in, or drops them before anything of SSH or TLS is done for them. */
export class NewConnections {
  readonly #places: ConnectionPlaces;
  readonly #dropped: DroppedConnections;
  readonly #knownAs: (address: string, source: string) => string | null;

  /** @param knownAs by which name a source counts among the known ones; null: it is none of them */
  constructor(rules: PlaceRules, log: Logger, knownAs: (address: string, source: string) => string | null) {
    this.#places = new ConnectionPlaces(rules);
    this.#dropped = new DroppedConnections(log);
    this.#knownAs = knownAs;
  }

  /** How many were dropped so far. */
  get dropped(): number {
    return this.#dropped.total;
  }

  /**
   * @returns its place, which is free again when the connection is closed; null when it was dropped, by a reset: nothing
   *   of it stays in the kernel
   */
  admit(socket: Socket): Place | null {
    const address = socket.remoteAddress ?? '';
    const source = sourceOf(address);
    const place = this.#places.take(source, this.#knownAs(address, source));
    if (typeof place === 'string') {
      this.#dropped.add(source, place);
      socket.on('error', () => {});
      socket.resetAndDestroy();
      return null;
    }
    socket.once('close', () => place.release());
    return place;
  }
}
