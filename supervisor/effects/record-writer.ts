import type { OperationRecord } from '../cluster/operation.ts';
import type { ClusterView } from '../cluster/records.ts';
import type { Clock, ClusterStore } from '../ports.ts';
import type { Order } from '../role/orders.ts';

type RecordOrder = Extract<Order, { kind: 'successor' | 'operation' | 'pause' }>;

/** Writes what the leader tells beside the leader key. What is there already is not written again: the reader sees it. */
export class RecordWriter {
  readonly #store: ClusterStore;
  readonly #clock: Clock;
  readonly #cluster: () => ClusterView | null;
  readonly #leaseId: () => string | null;
  readonly #readAgain: () => void;

  constructor(parts: {
    store: ClusterStore;
    clock: Clock;
    cluster: () => ClusterView | null;
    leaseId: () => string | null;
    readAgain: () => void;
  }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#cluster = parts.cluster;
    this.#leaseId = parts.leaseId;
    this.#readAgain = parts.readAgain;
  }

  async write(order: RecordOrder): Promise<void> {
    try {
      await this.#write(order);
    } finally {
      this.#readAgain();
    }
  }

  async #write(order: RecordOrder): Promise<void> {
    switch (order.kind) {
      case 'successor':
        await this.#store.writeSuccessor(order.epoch, order.node, this.#leaseId() ?? '0');
        return;
      case 'operation':
        return this.#report(order);
      case 'pause': {
        const paused = this.#cluster()?.paused;
        if (paused) await this.#store.writePause({ ...paused, leader: order.leader });
      }
    }
  }

  async #report({ epoch, report }: Extract<RecordOrder, { kind: 'operation' }>): Promise<void> {
    const operation = this.#cluster()?.operation;
    if (operation?.id !== report.id) return;
    const { modRevision, dueAtMs, ...record } = operation;
    const step = report.step ?? record.step;
    const isNewStep = step !== null && step !== record.steps.at(-1)?.step;
    const now = this.#clock.wallTimeIso();
    const told: OperationRecord = {
      ...record,
      epoch,
      state: report.state,
      step,
      steps: isNewStep ? [...record.steps, { step, at: now }].slice(-50) : record.steps,
      outcome: report.outcome,
    };
    await this.#store.writeOperation(told, modRevision);
  }
}
