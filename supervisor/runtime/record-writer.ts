import type { NodeId } from '#contracts/identities.ts';
import type { Order } from '../core/leadership/orders.ts';
import { changed } from '../core/operation/machine.ts';
import { recordOf } from '../core/records/operation.ts';
import type { ClusterView } from '../core/records/records.ts';
import type { Clock, ClusterStore } from './ports.ts';

type RecordOrder = Extract<
  Order,
  {
    kind:
      | 'successor'
      | 'operation'
      | 'pause'
      | 'restored'
      | 'in-sync'
      | 'format'
      | 'leave'
      | 'host'
      | 'settings';
  }
>;

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
        const record = { node: this.#options.nodeId, epoch, values: { ...values } };
        await store.writeSettings(record, cluster()?.revisions.settings ?? 0);
        return;
      }
      case 'pause': {
        const { paused, revisions } = cluster() ?? {};
        if (!paused || revisions === undefined) return;
        await store.writePause({ ...paused, leader: order.leader }, revisions.paused, order.epoch);
        return;
      }
      case 'restored': {
        const { nodeId, clock } = this.#options;
        const { seen, found } = order;
        const view = cluster();
        if (view === null) return;
        await store.writeRestored({ seen, found, by: nodeId, at: clock.wallTimeIso() }, view);
        return;
      }
      case 'in-sync': {
        const reason = 'the key was gone or unreadable: written again by the leader';
        await store.writeInSync(order.epoch, order.members, reason, order.modRevision);
        return;
      }
      case 'format':
        await store.writeFormat(order.epoch, this.#options.nodeId);
        return;
      case 'leave': {
        const inSync = cluster()?.inSync;
        if (inSync?.modRevision !== order.modRevision) return;
        const { nodeId } = this.#options;
        const members = inSync.members.filter((member) => member !== nodeId);
        const reason = `${nodeId} leaves: ${order.cause.sentence}`;
        await store.leaveInSync({ members, epoch: inSync.epoch, reason }, order.modRevision);
        return;
      }
      case 'host':
        await store.writeHost(order.record, order.modRevision);
        return;
    }
  }

  async #report({ epoch, report }: Extract<RecordOrder, { kind: 'operation' }>): Promise<void> {
    const { store, clock, cluster } = this.#options;
    const operation = cluster()?.operation;
    if (operation?.id !== report.id) return;
    const told = changed(recordOf(operation), report, clock.wallTimeIso());
    await store.writeOperation(told, operation.modRevision, epoch);
  }
}
