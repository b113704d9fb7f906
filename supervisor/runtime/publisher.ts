import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import type { LiveNode, NodeRecord, PeerRecord } from '../core/records/records.ts';
import type { Clock, ClusterStore } from './ports.ts';
import { saidByLeaseLoop, TroubleLog } from './trouble-log.ts';

/** How often the record is written for its clock alone: the others compare theirs with it. */
const clockEveryMs = 30_000;

/** How often the record is written for the progress of a resync alone. */
const resyncEveryMs = 5000;

/** What was read so soon after a write may be older than it. */
const settledMs = 1000;

/**
 * Keeps `nodes/<id>` and `peers/<id>` of this host as they should be; a write that failed is made again. A write that
 * got lost on a slow member may still arrive there, after newer ones: so what etcd says counts, and is put right.
 */
export class Publisher {
  readonly #store: ClusterStore;
  readonly #clock: Clock;
  readonly #log: Logger;
  #busy = false;
  #publishedNode: LiveNode | null = null;
  readonly #trouble: TroubleLog;
  #publishedAtMs = 0;
  #publishedPeer = '';

  constructor(store: ClusterStore, clock: Clock, log: Logger) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#trouble = new TroubleLog(log, saidByLeaseLoop);
  }

  /** Call as often as you like: writes only what changed, one write at a time. */
  async publish(node: NodeRecord | null, leaseId: string | null, peer: PeerRecord | null): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      await this.#publishPeer(peer);
      await this.#publishNode(node, leaseId);
      this.#trouble.succeeded('the record of this host can be published again');
    } catch (error) {
      // Who may read may not be allowed to write.
      this.#trouble.failed(error);
      this.#log.debug({ reason: messageOf(error) }, 'the record of this host could not be published');
    } finally {
      this.#busy = false;
    }
  }

  /** What etcd says of this host, by a read that was sent at this boot time. */
  onRead(own: LiveNode, sentAtMs: number): void {
    if (sentAtMs - this.#publishedAtMs < settledMs) return;
    if (!isDeepStrictEqual(own, this.#publishedNode)) this.#publishedNode = null;
  }

  async #publishPeer(peer: PeerRecord | null): Promise<void> {
    const text = JSON.stringify(peer);
    if (peer === null || text === this.#publishedPeer) return;
    await this.#store.publishPeer(peer);
    this.#publishedPeer = text;
  }

  async #publishNode(node: NodeRecord | null, leaseId: string | null): Promise<void> {
    if (node === null || leaseId === null) return;
    if (this.#isPublished(node, leaseId)) return;
    // Read for each try: a clock that was read long before it is written would tell the others of a clock that is late.
    const wallClockMs = Date.parse(this.#clock.wallTimeIso());
    const stamped: NodeRecord = Number.isFinite(wallClockMs) ? { ...node, wallClockMs } : node;
    await this.#store.publishNode(stamped, leaseId);
    this.#publishedNode = { ...stamped, leaseId };
    this.#publishedAtMs = this.#clock.bootTimeMs();
  }

  get #ageMs(): number {
    return this.#clock.bootTimeMs() - this.#publishedAtMs;
  }

  #isPublished(node: NodeRecord, leaseId: string): boolean {
    if (this.#publishedNode === null) return false;
    if (this.#ageMs >= clockEveryMs) return false;
    const { wallClockMs, resync, ...published } = this.#publishedNode;
    const { resync: resyncNow, ...now } = { ...node, leaseId };
    if (!isDeepStrictEqual(now, published)) return false;
    const isNews = (resync === null) !== (resyncNow === null) || this.#ageMs >= resyncEveryMs;
    return !isNews || isDeepStrictEqual(resync, resyncNow);
  }
}
