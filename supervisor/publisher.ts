import { messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import type { NodeRecord, PeerRecord } from './cluster/records.ts';
import type { ClusterStore } from './ports.ts';

/** Keeps `nodes/<id>` and `peers/<id>` of this host as they should be; a write that failed is made again. */
export class Publisher {
  readonly #store: ClusterStore;
  readonly #log: Logger;
  #busy = false;
  #publishedNode = '';
  #publishedPeer = '';

  constructor(store: ClusterStore, log: Logger) {
    this.#store = store;
    this.#log = log;
  }

  /** Call as often as you like: writes only what changed, one write at a time. */
  async publish(node: NodeRecord | null, leaseId: string | null, peer: PeerRecord | null): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      await this.#publishPeer(peer);
      await this.#publishNode(node, leaseId);
    } catch (error) {
      this.#log.debug({ reason: messageOf(error) }, 'the record of this host could not be published');
    } finally {
      this.#busy = false;
    }
  }

  async #publishPeer(peer: PeerRecord | null): Promise<void> {
    const text = JSON.stringify(peer);
    if (peer === null || text === this.#publishedPeer) return;
    await this.#store.publishPeer(peer);
    this.#publishedPeer = text;
  }

  async #publishNode(node: NodeRecord | null, leaseId: string | null): Promise<void> {
    const text = JSON.stringify([node, leaseId]);
    if (node === null || leaseId === null || text === this.#publishedNode) return;
    await this.#store.publishNode(node, leaseId);
    this.#publishedNode = text;
  }
}
