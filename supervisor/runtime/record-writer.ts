import type { NodeId } from '#contracts/identities.ts';
import type { Order } from '../core/leadership/orders.ts';
import { type OperationRecord, recordOf } from '../core/records/operation.ts';
import type { ClusterView } from '../core/records/records.ts';
import type { Clock, ClusterStore } from './ports.ts';

type RecordOrder = Extract<Order, { kind: 'successor' | 'operation' | 'pause' | 'restored' | 'settings' }>;

export interface RecordWriterOptions {
  readonly nodeId: NodeId;
  readonly store: ClusterStore;
  readonly clock: Clock;
  readonly cluster: () => ClusterView | null;
  readonly leaseId: () => string | null;
  readonly readAgain: () => void;
}

/** Writes what hosts tell beside the leader key. What is there already is not written again: the reader sees it. */
export class RecordWriter {
  readonly #options: RecordWriterOptions;

  constructor(options: RecordWriterOptions) {
    this.#options = options;
  }

  async write(order: RecordOrder): Promise<void> {
    try {
      await this.#write(order);
    } finally {
      this.#options.readAgain();
    }
  }

  async #write(order: RecordOrder): Promise<void> {
    const { store, cluster, leaseId } = this.#options;
    switch (order.kind) {
      case 'successor':
        await store.writeSuccessor(order.epoch, order.node, leaseId() ?? '0');
        return;
      case 'operation':
        return this.#report(order);
      case 'settings': {
        const { epoch, values } = order;
        await store.writeSettings({ node: this.#options.nodeId, epoch, values: { ...values } });
        return;
      }
      case 'pause': {
        const paused = cluster()?.paused;
        if (paused) await store.writePause({ ...paused, leader: order.leader });
        return;
      }
      case 'restored': {
        const { nodeId, clock } = this.#options;
        const { seen, found } = order;
        await store.writeRestored({ seen, found, by: nodeId, at: clock.wallTimeIso() });
      }
    }
  }

  async #report({ epoch, report }: Extract<RecordOrder, { kind: 'operation' }>): Promise<void> {
    const { store, clock, cluster } = this.#options;
    const operation = cluster()?.operation;
    if (operation?.id !== report.id) return;
    const record = recordOf(operation);
    const step = report.step ?? record.step;
    const isNewStep = step !== null && step !== record.steps.at(-1)?.step;
    const now = clock.wallTimeIso();
    const told: OperationRecord = {
      ...record,
      epoch,
      state: report.state,
      step,
      steps: isNewStep ? [...record.steps, { step, at: now }].slice(-50) : record.steps,
      outcome: report.outcome,
    };
    await store.writeOperation(told, operation.modRevision);
  }
}
