import type { Duplex } from 'node:stream';

interface Early {
  readonly stream: Duplex;
  readonly hangUp: () => void;
}

/** Peers that connected before this host was told to lead: one connection each, not read from. */
export class EarlyPeers {
  readonly #waiting = new Map<string, Early>();

  add(nodeId: string, early: Early): void {
    this.#waiting.get(nodeId)?.hangUp();
    this.#waiting.set(nodeId, early);
    early.stream.once('close', () => {
      if (this.#waiting.get(nodeId) === early) this.#waiting.delete(nodeId);
    });
  }

  takeAll(serve: (nodeId: string, stream: Duplex, hangUp: () => void) => void): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const [nodeId, { stream, hangUp }] of waiting) serve(nodeId, stream, hangUp);
  }
}
