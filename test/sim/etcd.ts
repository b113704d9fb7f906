import { type Era, epochBaseOf, type Restored } from '../../supervisor/core/records/era.ts';
import {
  isOver,
  type Operation,
  type OperationRecord,
  type Pause,
  type SuccessorRecord,
} from '../../supervisor/core/records/operation.ts';
import type {
  ClusterView,
  InSyncRecord,
  Leader,
  LeaderRecord,
  LiveNode,
} from '../../supervisor/core/records/records.ts';
import type { Random, Timeline } from './timeline.ts';

interface Lease {
  readonly id: string;
  endsAt: number;
  generation: number;
}

/**
 * What etcd promises and no more: one order of writes, and leases that end late but never early, counted from when
 * etcd took the renewal in.
 */
export class EtcdModel {
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #ttlMs: number;
  readonly #leases = new Map<string, Lease>();
  readonly #nodes = new Map<string, LiveNode>();
  #revision = 1;
  #leader: Leader | null = null;
  #inSync: ClusterView['inSync'] = null;
  #operation: Operation | null = null;
  /** How operations ended, by kind and state, and restores. */
  readonly ended: Record<string, number> = {};
  #successor: { record: SuccessorRecord; leaseId: string } | null = null;
  #paused: Pause | null = null;
  #era = 0;
  #restored: Restored | null = null;
  #snapshot: (() => void) | null = null;
  #highestEpoch = 0;
  /** A leadership was given an epoch that is not larger than all before it. */
  epochWentBack = false;
  readonly watchers: ((leader: Leader | null, revision: number) => void)[] = [];
  /** Extra time each request takes. */
  slowMs = 0;

  constructor(timeline: Timeline, random: Random, ttlMs: number) {
    this.#timeline = timeline;
    this.#random = random;
    this.#ttlMs = ttlMs;
  }

  get leader(): Leader | null {
    return this.#leader;
  }

  get inSyncMembers(): readonly string[] {
    return this.#inSync?.members ?? [];
  }

  isLive(leaseId: string): boolean {
    return this.#leases.has(leaseId);
  }

  grant(): string {
    const id = String(1000 + this.#revision + this.#leases.size + Math.floor(this.#random.between(0, 1e9)));
    const lease: Lease = { id, endsAt: 0, generation: 0 };
    this.#leases.set(id, lease);
    this.#extend(lease);
    return id;
  }

  renew(leaseId: string): boolean {
    const lease = this.#leases.get(leaseId);
    if (lease === undefined) return false;
    this.#extend(lease);
    return true;
  }

  revoke(leaseId: string): void {
    if (!this.#leases.delete(leaseId)) return;
    for (const [id, node] of this.#nodes) if (node.leaseId === leaseId) this.#nodes.delete(id);
    if (this.#leader?.leaseId === leaseId) this.#leader = null;
    if (this.#successor?.leaseId === leaseId) this.#successor = null;
    this.#changed();
  }

  view(sentAtMs: number): ClusterView {
    return {
      revision: this.#epochAt(this.#revision),
      sentAtMs,
      leader: this.#leader,
      inSync: this.#inSync,
      operation: this.#operation && {
        ...this.#operation,
        // The model's hosts have no wall clock in common: due since it was written.
        dueAtMs: sentAtMs - (this.#timeline.now - this.#operation.dueAtMs),
      },
      successor: this.#successor?.record ?? null,
      paused: this.#paused,
      departure: null,
      settings: null,
      era: this.#era,
      restored: this.#restored,
      nodes: [...this.#nodes.values()],
      peers: [],
      problems: [],
    };
  }

  claim(record: LeaderRecord, leaseId: string, inSyncModRevision: number, alone = false): number | null {
    if (this.#leader !== null || !this.isLive(leaseId)) return null;
    if ((this.#inSync?.modRevision ?? 0) !== inSyncModRevision) return null;
    const epoch = this.#newEpoch();
    this.#leader = { ...record, epoch, leaseId };
    if (this.#inSync === null || alone) {
      this.#inSync = { members: [record.node], epoch: 0, reason: '', modRevision: epoch };
    }
    return epoch;
  }

  move(from: number, record: LeaderRecord, leaseId: string): number | null {
    if (this.#leader?.epoch !== from || !this.isLive(leaseId)) return null;
    const epoch = this.#newEpoch();
    this.#leader = { ...record, epoch, leaseId };
    return epoch;
  }

  release(epoch: number): void {
    if (this.#leader?.epoch !== epoch) return;
    this.#leader = null;
    this.#changed();
  }

  writeInSync(epoch: number, members: readonly string[], modRevision: number): boolean {
    if (this.#leader?.epoch !== epoch || this.#inSync?.modRevision !== modRevision) return false;
    const record: InSyncRecord = { members: [...members], epoch, reason: '' };
    this.#inSync = { ...record, modRevision: this.#changed() };
    return true;
  }

  writeSuccessor(epoch: number, node: string | null, leaseId: string): boolean {
    if (this.#leader?.epoch !== epoch || !this.isLive(leaseId)) return false;
    this.#successor = node === null ? null : { record: { node, epoch }, leaseId };
    this.#changed();
    return true;
  }

  writeOperation(record: OperationRecord, modRevision: number): boolean {
    if ((this.#operation?.modRevision ?? 0) !== modRevision) return false;
    const isNew = this.#operation?.id !== record.id;
    const dueAtMs = isNew ? this.#timeline.now : (this.#operation?.dueAtMs ?? 0);
    this.#operation = { ...record, modRevision: this.#changed(), dueAtMs };
    if (isOver(record)) this.#count(`${record.kind} ${record.state}`);
    return true;
  }

  get operation(): Operation | null {
    return this.#operation;
  }

  writePause(pause: Pause | null): void {
    this.#paused = pause;
    this.#changed();
  }

  writeRestored(restored: Restored): void {
    this.#restored = restored;
    this.#changed();
  }

  beginEra(era: Era, members: readonly string[], view: ClusterView): boolean {
    if (this.#leader !== null || view.era !== this.#era) return false;
    if ((this.#inSync?.modRevision ?? 0) !== (view.inSync?.modRevision ?? 0)) return false;
    this.#era = era.number;
    this.#restored = null;
    this.#count('restore accepted');
    this.#inSync = { members: [...members], epoch: 0, reason: '', modRevision: this.#changed() };
    return true;
  }

  /** Remembers everything, for `restore`. */
  takeSnapshot(): void {
    const [revision, leader, inSync, operation] = [
      this.#revision,
      this.#leader,
      this.#inSync,
      this.#operation,
    ];
    const [successor, paused, era, restored] = [this.#successor, this.#paused, this.#era, this.#restored];
    const [leases, nodes] = [[...this.#leases.keys()], [...this.#nodes]];
    this.#snapshot = () => {
      this.#revision = revision;
      this.#leader = leader;
      this.#inSync = inSync;
      this.#operation = operation;
      this.#successor = successor;
      this.#paused = paused;
      this.#era = era;
      this.#restored = restored;
      this.#leases.clear();
      this.#nodes.clear();
      for (const [id, node] of nodes) this.#nodes.set(id, node);
      // As etcd does it: every lease of the snapshot has its whole time again.
      for (const id of leases) {
        const lease: Lease = { id, endsAt: 0, generation: 0 };
        this.#leases.set(id, lease);
        this.#extend(lease);
      }
    };
  }

  /** As an operator does who puts the snapshot in place of what etcd has. False when there is none. */
  restore(): boolean {
    this.#snapshot?.();
    return this.#snapshot !== null;
  }

  publish(node: LiveNode): void {
    if (!this.isLive(node.leaseId)) return;
    const before = this.#nodes.get(node.node)?.preparedFor ?? 0;
    this.#nodes.set(node.node, node);
    if (before !== node.preparedFor) this.#changed();
  }

  #extend(lease: Lease): void {
    lease.generation += 1;
    const { generation } = lease;
    const lateness = this.#random.chance(0.2) ? this.#random.between(0, 800) : this.#random.between(0, 120);
    this.#timeline.after(this.#ttlMs + lateness, () => {
      const isSame = this.#leases.get(lease.id) === lease;
      if (isSame && lease.generation === generation) this.revoke(lease.id);
    });
  }

  #count(what: string): void {
    this.ended[what] = (this.ended[what] ?? 0) + 1;
  }

  #newEpoch(): number {
    const epoch = this.#epochAt(this.#changed());
    if (epoch <= this.#highestEpoch) this.epochWentBack = true;
    this.#highestEpoch = Math.max(this.#highestEpoch, epoch);
    return epoch;
  }

  #epochAt(revision: number): number {
    return epochBaseOf(this.#era) + revision;
  }

  #changed(): number {
    this.#revision += 1;
    // Told when the change is complete.
    this.#timeline.after(0, () => {
      for (const watcher of this.watchers) watcher(this.#leader, this.#epochAt(this.#revision));
    });
    return this.#revision;
  }
}
