/** What a claim of leadership goes by; it fails when etcd says otherwise by then. */
export interface Claim {
  /** Of the in-sync set that this host is a member of; 0: there is none. */
  readonly inSyncModRevision: number;
  /** Of the operation that the claim acts for; null: it acts for none. */
  readonly operationModRevision: number | null;
  /** By an operator's word, though this host may lack what was acknowledged: it alone is in sync then. */
  readonly alone: boolean;
  /** The first claim of a cluster, which also writes the in-sync set and the format. */
  readonly isNew: boolean;
}
