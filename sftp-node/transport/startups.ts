import type { Socket } from 'node:net';
import { bootTimeMs } from '#contracts/boot-time.ts';
import { type PlaceRules, plainAddress, sourceOf } from '#contracts/connection-places.ts';
import type { Logger } from '#contracts/log.ts';
import { NewConnections } from '#contracts/new-connections.ts';
import { KnownSources } from '../known-sources.ts';

/** A connection that has a place until it logs in or ends. */
export interface Startup {
  /** The place is free again, and the source is known from now on. */
  loggedIn(): void;
}

/** Clients before their login, of whom sources that logged in lately are known. */
export class Startups {
  readonly #known = new KnownSources(bootTimeMs);
  readonly #connections: NewConnections;

  constructor(rules: PlaceRules, log: Logger) {
    this.#connections = new NewConnections(rules, log, (address, source) =>
      this.#isKnown(address, source) ? source : null,
    );
  }

  /** How many were dropped so far. */
  get dropped(): number {
    return this.#connections.dropped;
  }

  /** @returns null when the connection was dropped */
  admit(socket: Socket): Startup | null {
    const source = sourceOf(socket.remoteAddress ?? '');
    const place = this.#connections.admit(socket);
    return (
      place && {
        loggedIn: () => {
          place.release();
          this.#known.loggedIn(source);
        },
      }
    );
  }

  /** Whoever looks after this host from within is not kept out by strangers. */
  #isKnown(address: string, source: string): boolean {
    const plain = plainAddress(address);
    return plain === '127.0.0.1' || plain === '::1' || this.#known.has(source);
  }
}
