import type { Epoch, NodeId } from '#contracts/identities.ts';
import type { Cause } from '../cause.ts';
import type { Claim } from '../records/claim.ts';
import type { HostRecord } from '../records/host.ts';
import type { ClusterSettings } from '../records/settings.ts';
import type { OperationReport, Successor } from './state.ts';

/**
 * What must be so. Each decision gives the whole list, in order of urgency; carrying out an order that is already so
 * does nothing, and one that failed or got lost is given again with the next decision.
 */
export type Order =
  | { readonly kind: 'gate'; readonly want: 'open'; readonly epoch: Epoch; readonly validUntilMs: number }
  | { readonly kind: 'gate'; readonly want: 'shut'; readonly epoch: Epoch }
  | { readonly kind: 'vip'; readonly want: 'free'; readonly epoch: Epoch }
  | { readonly kind: 'vip'; readonly want: 'present'; readonly epoch: Epoch; readonly leaseEndsAtMs: number }
  | { readonly kind: 'vip'; readonly want: 'absent' }
  | { readonly kind: 'sftp-node'; readonly want: 'running'; readonly epoch: Epoch }
  /** Let transfers that run end within the limit, then shut the gate. */
  | { readonly kind: 'sftp-node'; readonly want: 'drained'; readonly epoch: Epoch; readonly limitMs: number }
  /** Let it close its clients and exit. */
  | { readonly kind: 'sftp-node'; readonly want: 'stopped'; readonly epoch: Epoch }
  | { readonly kind: 'sftp-node'; readonly want: 'killed' }
  /** A process with the SFTP node's code loaded, for a leadership that comes in a moment. */
  | { readonly kind: 'spare'; readonly want: 'ready' | 'absent' }
  /** Who is to take over in a moment, told through etcd so that it gets ready; null: nobody after all. */
  | { readonly kind: 'successor'; readonly epoch: Epoch; readonly node: NodeId | null }
  | {
      readonly kind: 'replicator';
      readonly want: 'lead';
      readonly epoch: Epoch;
      readonly inSync: readonly NodeId[];
      /** The identity of the roots that were judged. */
      readonly root: string;
    }
  | {
      readonly kind: 'replicator';
      readonly want: 'follow';
      readonly epoch: Epoch;
      readonly leader: NodeId;
      /** Null: as a newcomer, whose files count for nothing before all are compared. */
      readonly root: string | null;
    }
  | { readonly kind: 'replicator'; readonly want: 'idle' }
  | { readonly kind: 'hand-off'; readonly epoch: Epoch; readonly to: NodeId }
  | { readonly kind: 'announce'; readonly epoch: Epoch }
  | {
      readonly kind: 'leadership';
      readonly want: 'claim';
      readonly leaseId: string;
      readonly claim: Claim;
      /** The failover that an operator asked for. */
      readonly operationId: string | null;
    }
  /** A new epoch for the same leader, since its SFTP node died with the journal's sequence. */
  | {
      readonly kind: 'leadership';
      readonly want: 'renew-epoch';
      readonly epoch: Epoch;
      readonly leaseId: string;
    }
  | {
      readonly kind: 'leadership';
      readonly want: 'transfer';
      readonly epoch: Epoch;
      readonly to: Successor;
      readonly operationId: string | null;
      readonly closedAtMs: number;
      readonly cause: Cause;
    }
  | {
      readonly kind: 'leadership';
      readonly want: 'release';
      readonly epoch: Epoch;
      readonly cause: Cause;
    }
  /** Etcd is to say what settings this leadership has, for those who come after it. */
  | { readonly kind: 'settings'; readonly epoch: Epoch; readonly values: ClusterSettings }
  /** What etcd is to say of the operation. */
  | { readonly kind: 'operation'; readonly epoch: Epoch; readonly report: OperationReport }
  /** Etcd is to say that it was restored from an older snapshot, for every host to know. */
  | { readonly kind: 'restored'; readonly seen: number; readonly found: number }
  /** The in-sync set is gone from etcd, or cannot be read: the living leader knows it. */
  | {
      readonly kind: 'in-sync';
      readonly epoch: Epoch;
      readonly members: readonly NodeId[];
      readonly modRevision: number;
    }
  /** Etcd is to say in which format its values are. */
  | { readonly kind: 'format'; readonly epoch: Epoch }
  /** This host is not to be in the in-sync set, if that is as it was read: it may lack what its members have. */
  | { readonly kind: 'leave'; readonly modRevision: number; readonly cause: Cause }
  /** Files whose flush failed are to be fetched anew. */
  | { readonly kind: 'replace-failed-files' }
  /** The host's roots are to get an identity in the place of those they carry. */
  | { readonly kind: 'admit'; readonly replaces: string; readonly at: number }
  /** What etcd is to say that this host holds. */
  | { readonly kind: 'host'; readonly record: HostRecord; readonly modRevision: number }
  /** The pause goes on with this host as the one that may take over again. */
  | { readonly kind: 'pause'; readonly epoch: Epoch; readonly leader: NodeId }
  | { readonly kind: 'exit' };
