import type { Epoch, NodeId } from '#contracts/identities.ts';
import type { FromReplicator } from '#contracts/ipc/replicator.ts';
import type { Cause } from '../cause.ts';
import type { ClusterView, Leader } from '../records/records.ts';
import type { SpareFact } from './state.ts';

type ReplicatorStatus = Extract<FromReplicator, { type: 'status' }>;

/** Something that was observed, with the boot time in milliseconds at which the supervisor learned it. */
export type RoleEvent = { readonly at: number } & (
  | { readonly type: 'tick' }
  | { readonly type: 'lease-renewed'; readonly id: string; readonly sentAtMs: number }
  | { readonly type: 'lease-gone'; readonly id: string }
  | { readonly type: 'cluster-read'; readonly view: ClusterView }
  /** A watch told that the leader key was written, or deleted, at this revision. */
  | { readonly type: 'leader-seen'; readonly leader: Leader | null; readonly revision: number }
  /** Our own write of the leader key succeeded: the same as reading it. */
  | { readonly type: 'leader-written'; readonly leader: Leader }
  /** Our own write deleted the leader key of this epoch, or moved it to `leader`. */
  | { readonly type: 'leader-released'; readonly epoch: Epoch; readonly leader: Leader | null }
  /** Our own write of the in-sync set succeeded, or is about to take members away. */
  | { readonly type: 'in-sync-changed'; readonly epoch: Epoch; readonly members: readonly NodeId[] }
  | { readonly type: 'replicator-ready' }
  | { readonly type: 'replicator-status'; readonly status: ReplicatorStatus }
  | { readonly type: 'replicator-gone' }
  /** The storage engine says nothing, or does again. */
  | { readonly type: 'engine-silent'; readonly isSilent: boolean }
  | {
      readonly type: 'handed-off';
      readonly epoch: Epoch;
      readonly complete: boolean;
      readonly reason: string;
    }
  | { readonly type: 'spare'; readonly is: SpareFact }
  | { readonly type: 'node-starting'; readonly epoch: Epoch }
  | { readonly type: 'node-listening'; readonly epoch: Epoch }
  | { readonly type: 'node-gate-shut'; readonly epoch: Epoch }
  | { readonly type: 'node-exited'; readonly epoch: Epoch; readonly cause: Cause }
  /** It was killed because it does not answer, and is still there. */
  | { readonly type: 'node-stuck'; readonly epoch: Epoch }
  | { readonly type: 'vip-free'; readonly epoch: Epoch }
  | { readonly type: 'vip-present'; readonly epoch: Epoch }
  | { readonly type: 'vip-absent' }
  /** Probing, putting on or announcing failed. */
  | { readonly type: 'vip-failed'; readonly epoch: Epoch; readonly cause: Cause }
  | { readonly type: 'watchdog-failed'; readonly epoch: Epoch; readonly cause: Cause }
  | { readonly type: 'announced'; readonly epoch: Epoch }
  | { readonly type: 'health'; readonly unfit: readonly Cause[] }
  /** An operator says that what promotions failed at is mended. */
  | { readonly type: 'cleared' }
  | { readonly type: 'stop' }
);
