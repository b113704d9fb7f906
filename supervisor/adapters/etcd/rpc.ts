import type { ICompare, IRequestOp, ITxnResponse } from 'etcd3';

/** What is compared, what is done when all of it holds, and what otherwise. */
export interface EtcdTransaction {
  readonly compare: readonly ICompare[];
  readonly success: readonly IRequestOp[];
  readonly failure?: readonly IRequestOp[];
}

/** An answer of etcd, with when its request was sent: boot time, and the wall clock then. */
export interface EtcdAnswer<Answer> {
  readonly answer: Answer;
  readonly sentAtMs: number;
  readonly wallMs: number;
}

/** One change below the watched prefix; `value` is null when the key was deleted. */
export interface EtcdChange {
  readonly key: string;
  readonly value: Buffer | null;
  readonly modRevision: string;
  /** Decimal; `0` when the key has no lease. */
  readonly leaseId: string;
}

export interface EtcdWatcher {
  onKey(change: EtcdChange): void;
  /** Something changed, or may have changed while nothing was watched. */
  onChange(): void;
}

/**
 * The requests that Holdfast makes of etcd, whichever member answers. Every one has a budget and rejects with
 * HoldfastError ETCD_UNREACHABLE when no member answered in it; a write that was rejected may have happened.
 */
export interface EtcdRpc {
  transaction(transaction: EtcdTransaction, budgetMs: number): Promise<EtcdAnswer<ITxnResponse>>;
  grantLease(
    ttlSeconds: number,
    budgetMs: number,
  ): Promise<EtcdAnswer<{ readonly id: string; readonly ttlSeconds: number }>>;
  /** Null: etcd says that the lease does not exist any more. */
  renewLease(leaseId: string, budgetMs: number): Promise<EtcdAnswer<{ readonly id: string }> | null>;
  /** Done also when there is no such lease. */
  revokeLease(leaseId: string, budgetMs: number): Promise<void>;
  watch(prefix: string, watcher: EtcdWatcher): void;
  close(): void;
}
