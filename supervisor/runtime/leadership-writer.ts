import type { Epoch, NodeId } from '#contracts/identities.ts';
import type { Order } from '../core/leadership/orders.ts';
import type { LeaderRecord } from '../core/records/records.ts';
import type { Observation } from './observation.ts';
import type { Clock, ClusterStore } from './ports.ts';

type LeadershipOrder = Extract<Order, { kind: 'leadership' }>;

/** Writes the leader key, and reads the cluster again when a write lost its race or its answer. */
export class LeadershipWriter {
  readonly #nodeId: NodeId;
  readonly #store: ClusterStore;
  readonly #clock: Clock;
  readonly #observe: (observation: Observation) => void;
  readonly #readAgain: () => void;

  constructor(options: {
    nodeId: NodeId;
    store: ClusterStore;
    clock: Clock;
    observe: (observation: Observation) => void;
    readAgain: () => void;
  }) {
    this.#nodeId = options.nodeId;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#observe = options.observe;
    this.#readAgain = options.readAgain;
  }

  async write(order: LeadershipOrder): Promise<void> {
    try {
      await this.#write(order);
    } catch (error) {
      this.#readAgain();
      throw error;
    }
  }

  async #write(order: LeadershipOrder): Promise<void> {
    switch (order.want) {
      case 'claim': {
        const record = { ...this.#record(this.#nodeId, 'claimed'), operationId: order.operationId };
        const result = await this.#store.claimLeadership(record, order.leaseId, order.claim);
        return this.#won(result, record, order.leaseId);
      }
      case 'renew-epoch': {
        const record = this.#record(this.#nodeId, 'the SFTP node started again');
        const result = await this.#store.moveLeadership(order.epoch, record, order.leaseId);
        return this.#won(result, record, order.leaseId);
      }
      case 'transfer': {
        const { node, leaseId } = order.to;
        const record = {
          ...this.#record(node, `handed over by ${this.#nodeId}`),
          handedOverBy: this.#nodeId,
          handOverCause: order.cause,
          operationId: order.operationId,
          downMs: this.#clock.bootTimeMs() - order.closedAtMs,
        };
        const result = await this.#store.moveLeadership(order.epoch, record, leaseId);
        if (!result.won) return this.#readAgain();
        const leader = { ...record, epoch: result.epoch, leaseId };
        return this.#observe({ type: 'leader-released', epoch: order.epoch, leader });
      }
      case 'release':
        await this.#store.releaseLeadership(order.epoch, {
          node: this.#nodeId,
          epoch: order.epoch,
          cause: order.cause,
        });
        return this.#observe({ type: 'leader-released', epoch: order.epoch, leader: null });
    }
  }

  #won(result: { won: true; epoch: Epoch } | { won: false }, record: LeaderRecord, leaseId: string): void {
    if (result.won)
      this.#observe({ type: 'leader-written', leader: { ...record, epoch: result.epoch, leaseId } });
    else this.#readAgain();
  }

  #record(node: NodeId, cause: string): LeaderRecord {
    const since = this.#clock.wallTimeIso();
    const origin = { handedOverBy: null, handOverCause: null, operationId: null, downMs: null };
    return { node, since, cause, ...origin };
  }
}
