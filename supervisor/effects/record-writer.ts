import type { NodeId } from '#contracts/identities.ts';
import { type OperationRecord, recordOf } from '../cluster/operation.ts';
import type { ClusterView } from '../cluster/records.ts';
import type { Clock, ClusterStore } from '../ports.ts';
import type { Order } from '../role/orders.ts';

type RecordOrder = Extract<Order, { kind: 'successor' | 'operation' | 'pause' | 'restored' }>;

export interface RecordWriterParts {
  readonly nodeId: NodeId;
  readonly store: ClusterStore;
  readonly clock: Clock;
  readonly cluster: () => ClusterView | null;
  readonly leaseId: () => string | null;
  readonly readAgain: () => void;
}

/** Writes what hosts tell beside the leader key. What is there already is not written again: the reader sees it. */
export class RecordWriter {
  readonly #parts: RecordWriterParts;

  constructor(parts: RecordWriterParts) {
    this.#parts = parts;
  }

  async write(order: RecordOrder): Promise<void> {
    try {
      await this.#write(order);
    } finally {
      this.#parts.readAgain();
    }
  }

  async #write(order: RecordOrder): Promise<void> {
    const { store, cluster, leaseId } = this.#parts;
    switch (order.kind) {
      case 'successor':
        await store.writeSuccessor(order.epoch, order.node, leaseId() ?? '0');
        return;
      case 'operation':
        return this.#report(order);
      case 'pause': {
        const paused = cluster()?.paused;
        if (paused) await store.writePause({ ...paused, leader: order.leader });
        return;
      }
      case 'restored': {
        const { nodeId, clock } = this.#parts;
        const { seen, found } = order;
        await store.writeRestored({ seen, found, by: nodeId, at: clock.wallTimeIso() });
      }
    }
  }

  async #report({ epoch, report }: Extract<RecordOrder, { kind: 'operation' }>): Promise<void> {
    const { store, clock, cluster } = this.#parts;
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
