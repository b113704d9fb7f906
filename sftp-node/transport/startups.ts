import type { Socket } from 'node:net';
import { bootTimeMs } from '#contracts/boot-time.ts';
import { ConnectionPlaces, type PlaceRules, plainAddress, sourceOf } from '#contracts/connection-places.ts';
import { DroppedConnections } from '#contracts/dropped-connections.ts';
import type { Logger } from '#contracts/log.ts';
import { KnownSources } from '../known-sources.ts';

/** A connection that has a place until it logs in or ends. */
export interface Startup {
  /** The place is free again, and the source is known from now on. */
  loggedIn(): void;
}

/** Lets connections in, or drops them before anything of SSH is done for them. */
export class Startups {
  readonly #places: ConnectionPlaces;
  readonly #known = new KnownSources(bootTimeMs);
  readonly #dropped: DroppedConnections;

  constructor(rules: PlaceRules, log: Logger) {
    this.#places = new ConnectionPlaces(rules);
    this.#dropped = new DroppedConnections(log);
  }

  /** How many were dropped so far. */
  get dropped(): number {
    return this.#dropped.total;
  }

  /** @returns null when the connection was dropped, by a reset: nothing of it stays in the kernel */
  admit(socket: Socket): Startup | null {
    const address = socket.remoteAddress ?? '';
    const source = sourceOf(address);
    const place = this.#places.take(source, this.#isKnown(address, source) ? source : null);
    if (typeof place === 'string') {
      this.#dropped.add(source, place);
      socket.on('error', () => {});
      socket.resetAndDestroy();
      return null;
    }
    socket.once('close', () => place.release());
    return {
      loggedIn: () => {
        place.release();
        this.#known.loggedIn(source);
      },
    };
  }

  /** Whoever looks after this host from within is not kept out by strangers. */
  #isKnown(address: string, source: string): boolean {
    const plain = plainAddress(address);
    return plain === '127.0.0.1' || plain === '::1' || this.#known.has(source);
  }
}
