import type { ICompare, IKeyValue, IRangeResponse, IRequestOp, ITxnResponse } from 'etcd3';
import { HoldfastError } from '#contracts/errors.ts';
import type { EtcdChange, EtcdTransaction } from '../../supervisor/adapters/etcd/rpc.ts';
import type { Keys } from './fencing.ts';
import type { Random, Timeline } from './timeline.ts';

interface Lease {
  readonly id: string;
  endsAt: number;
  generation: number;
}

export interface Stored {
  readonly value: Buffer;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly leaseId: string;
}

/**
 * What etcd promises and no more: one order of transactions, and leases that end late but never early, counted from
 * when etcd took the renewal in. It knows nothing of Holdfast: what the real store compares and writes is what counts.
 */
export class EtcdModel {
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #leases = new Map<string, Lease>();
  #keys = new Map<string, Stored>();
  #revision = 1;
  #ttlMs = 0;
  #snapshot: (() => void) | null = null;
  readonly watchers: ((change: EtcdChange) => void)[] = [];
  /** Shown each transaction of a supervisor that changes something. */
  onChanged: (transaction: EtcdTransaction, before: Keys, after: Keys) => void = () => {};
  /** Extra time each request takes. */
  slowMs = 0;

  constructor(timeline: Timeline, random: Random) {
    this.#timeline = timeline;
    this.#random = random;
  }

  isLive(leaseId: string): boolean {
    return this.#leases.has(leaseId);
  }

  /** The value of a key, as it was written; undefined: there is none, or it is no JSON. */
  value(key: string): unknown {
    const stored = this.#keys.get(key);
    try {
      return stored && JSON.parse(stored.value.toString('utf8'));
    } catch {
      return undefined;
    }
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** As by `etcdctl put` and `del`. */
  tamper(key: string, value: string | null): void {
    const write = Buffer.from(key);
    this.#carryOutAll({
      compare: [],
      success: [
        value === null
          ? { request_delete_range: { key: write } }
          : { request_put: { key: write, value: Buffer.from(value) } },
      ],
    });
  }

  grant(ttlMs: number): string {
    this.#ttlMs = ttlMs;
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
    const keys = [...this.#keys].filter(([, stored]) => stored.leaseId === leaseId).map(([key]) => key);
    if (keys.length === 0) return;
    this.#revision += 1;
    for (const key of keys) this.#delete(key);
  }

  /** @throws HoldfastError LEASE_LOST as etcd refuses a write on a lease that it does not know */
  transaction(transaction: EtcdTransaction): ITxnResponse {
    const before = new Map(this.#keys);
    const revision = this.#revision;
    const answer = this.#carryOutAll(transaction);
    if (this.#revision !== revision) this.onChanged(transaction, before, this.#keys);
    return answer;
  }

  #carryOutAll({ compare, success, failure = [] }: EtcdTransaction): ITxnResponse {
    const succeeded = compare.every((one) => this.#holds(one));
    const requests = succeeded ? success : failure;
    for (const { request_put: put } of requests) {
      const leaseId = String(put?.lease ?? '0');
      if (leaseId === '0' || this.isLive(leaseId)) continue;
      throw new HoldfastError('LEASE_LOST', 'etcdserver: requested lease not found');
    }
    if (requests.some(({ request_range: range }) => range === undefined)) this.#revision += 1;
    const responses = requests.map((request) => this.#carryOut(request));
    return { succeeded, header: { revision: String(this.#revision) }, responses } as ITxnResponse;
  }

  /** Remembers everything, for `restore`. */
  takeSnapshot(): void {
    const revision = this.#revision;
    const keys = new Map(this.#keys);
    const leases = [...this.#leases.keys()];
    this.#snapshot = () => {
      this.#revision = revision;
      this.#keys = new Map(keys);
      this.#leases.clear();
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

  #carryOut({ request_put: put, request_delete_range: deletion, request_range: range }: IRequestOp) {
    if (put?.key !== undefined) {
      const key = put.key.toString();
      const value = Buffer.from(put.value as Buffer);
      const createRevision = this.#keys.get(key)?.createRevision ?? this.#revision;
      const leaseId = String(put.lease ?? '0');
      this.#keys.set(key, { value, createRevision, modRevision: this.#revision, leaseId });
      this.#tell({ key, value, modRevision: String(this.#revision), leaseId });
    } else if (deletion?.key !== undefined) this.#delete(deletion.key.toString());
    return range === undefined ? {} : { response_range: this.#range(range) };
  }

  #range({
    key,
    range_end: end,
    count_only: countOnly,
  }: NonNullable<IRequestOp['request_range']>): IRangeResponse {
    const found = this.#found(String(key), end === undefined ? null : String(end));
    const kvs = countOnly === true ? [] : found.map(([name, stored]) => keyValue(name, stored));
    return { kvs, count: String(found.length) } as IRangeResponse;
  }

  #found(key: string, end: string | null): [string, Stored][] {
    if (end !== null) return [...this.#keys].filter(([name]) => name >= key && name < end);
    const stored = this.#keys.get(key);
    return stored === undefined ? [] : [[key, stored]];
  }

  #holds({
    key,
    range_end: end,
    target,
    create_revision: created,
    mod_revision: modified,
  }: ICompare & { range_end?: Buffer }): boolean {
    const found = this.#found(String(key), end === undefined ? null : String(end)).map(
      ([, stored]) => stored,
    );
    const all = found.length === 0 ? [{ createRevision: 0, modRevision: 0 }] : found;
    return all.every((stored) =>
      target === 'Create'
        ? stored.createRevision === Number(created)
        : stored.modRevision === Number(modified),
    );
  }

  #delete(key: string): void {
    if (!this.#keys.delete(key)) return;
    this.#tell({ key, value: null, modRevision: String(this.#revision), leaseId: '0' });
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

  #tell(change: EtcdChange): void {
    // Told when the transaction is complete.
    this.#timeline.after(0, () => {
      for (const watcher of this.watchers) watcher(change);
    });
  }
}

function keyValue(key: string, { value, createRevision, modRevision, leaseId }: Stored): IKeyValue {
  return {
    key: Buffer.from(key),
    value,
    create_revision: String(createRevision),
    mod_revision: String(modRevision),
    lease: leaseId,
  } as IKeyValue;
}
