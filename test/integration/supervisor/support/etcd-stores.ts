import { randomBytes } from 'node:crypto';
import { EtcdClient } from '../../../../supervisor/adapters/etcd/client.ts';
import type { EtcdRpc, EtcdTransaction } from '../../../../supervisor/adapters/etcd/rpc.ts';
import { EtcdStore } from '../../../../supervisor/adapters/etcd/store.ts';
import { systemClock } from '../../../../supervisor/adapters/kernel/system-clock.ts';
import type { Config } from '../../../../supervisor/config/schema.ts';
import type { Claim } from '../../../../supervisor/core/records/claim.ts';
import type { HistoryRecord } from '../../../../supervisor/core/records/history.ts';
import type { OperationRecord, Pause } from '../../../../supervisor/core/records/operation.ts';
import type { ClusterView, LeaderRecord, NodeRecord } from '../../../../supervisor/core/records/records.ts';
import type { Clock, LeadershipWrite } from '../../../../supervisor/runtime/ports.ts';
import type { OneEtcd } from './one-etcd.ts';

const lease = { ttl: 5000, renewEvery: 500, margin: 500 };
const at = '2026-01-01T00:00:00Z';

export interface StoreSettings {
  readonly clock?: Clock;
  readonly through?: (rpc: EtcdRpc) => EtcdRpc;
  readonly etcd?: Partial<Config['etcd']>;
}

/** A cluster of its own in an etcd that tests share, with the stores that look at it. */
export class StoredCluster {
  readonly #etcd: OneEtcd;
  readonly name = `test-${randomBytes(4).toString('hex')}`;
  readonly #stores: EtcdStore[] = [];

  constructor(etcd: OneEtcd) {
    this.#etcd = etcd;
  }

  /** As of one more host. */
  open({ clock = systemClock, through = (rpc) => rpc, etcd = {} }: StoreSettings = {}): EtcdStore {
    const config = {
      cluster: this.name,
      etcd: { endpoints: [this.#etcd.url], ...etcd },
      lease,
    } as unknown as Config;
    const store = new EtcdStore(through(new EtcdClient(config, clock)), config);
    this.#stores.push(store);
    return store;
  }

  key(name: string): string {
    return `/holdfast/${this.name}/${name}`;
  }

  /** As by a hand with etcdctl. */
  async put(name: string, value: unknown): Promise<void> {
    await this.#etcd.ctl('put', this.key(name), JSON.stringify(value));
  }

  async putAll(values: readonly (readonly [string, unknown])[]): Promise<void> {
    const lines = values.map(([name, value]) => `put ${this.key(name)} ${quoted(JSON.stringify(value))}`);
    await this.#etcd.transact(lines);
  }

  async delete(name: string): Promise<void> {
    await this.#etcd.ctl('del', this.key(name));
  }

  close(): void {
    for (const store of this.#stores) store.close();
  }
}

/** As etcdctl takes a value within a transaction. */
function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** Sends each transaction twice and answers as the second was answered: the first one's answer was lost. */
export function twice(rpc: EtcdRpc, between: () => Promise<unknown> = async () => {}): EtcdRpc {
  return {
    transaction: async (transaction: EtcdTransaction, budgetMs: number) => {
      await rpc.transaction(transaction, budgetMs);
      if (transaction.compare.length > 0) await between();
      return rpc.transaction(transaction, budgetMs);
    },
    grantLease: (ttlSeconds, budgetMs) => rpc.grantLease(ttlSeconds, budgetMs),
    renewLease: (leaseId, budgetMs) => rpc.renewLease(leaseId, budgetMs),
    revokeLease: (leaseId, budgetMs) => rpc.revokeLease(leaseId, budgetMs),
    watch: (prefix, watcher) => rpc.watch(prefix, watcher),
    close: () => rpc.close(),
  };
}

/** The wall clock is stepped by hours each time that it is asked, back and forth. */
export function steppedClock(): Clock {
  let asked = 0;
  const hourMs = 3_600_000;
  return {
    bootTimeMs: () => systemClock.bootTimeMs(),
    wallTimeIso: () => {
      asked += 1;
      const stepMs = (asked % 2 === 0 ? 1 : -1) * 5 * asked * hourMs;
      return new Date(Date.parse(at) + stepMs).toISOString();
    },
  };
}

/** A claim by what a read told. */
export function claimBy(view: ClusterView, claim: Partial<Claim> = {}): Claim {
  return {
    inSyncModRevision: view.revisions.insync,
    operationModRevision: null,
    alone: false,
    isNew: view.isNew,
    ...claim,
  };
}

export function leader(node: string, cause = 'claimed'): LeaderRecord {
  const origin = { handedOverBy: null, handOverCause: null, operationId: null, downMs: null };
  return { node, since: at, cause, ...origin };
}

/** Claims on a lease of its own, by what it reads now. */
export async function lead(store: EtcdStore, node: string): Promise<{ epoch: number; leaseId: string }> {
  const { leaseId } = await store.grantLease();
  const claim = claimBy(await store.read());
  const written = await store.claimLeadership(leader(node), leaseId, claim);
  return { epoch: epochOf(written), leaseId };
}

export function epochOf(written: LeadershipWrite): number {
  if (!written.won) throw new Error('the leader key was not written');
  return written.epoch;
}

export const departure = (node: string, epoch: number) => ({
  node,
  epoch,
  cause: { code: 'STOPPING', sentence: 'the service was told to stop' },
});

export const pause = (by: string): Pause => ({ by, at, reason: 'maintenance', leader: null });

export const operation = (id: string): OperationRecord => ({
  id,
  kind: 'switchover',
  from: 'a',
  to: 'b',
  force: false,
  drainMs: 0,
  drill: false,
  requestedBy: 'operator',
  requestedAt: at,
  at: null,
  state: 'pending',
  epoch: 0,
  step: null,
  steps: [],
  cancelledBy: null,
  outcome: null,
  supersedes: null,
});

export const restored = (by: string) => ({ seen: 100, found: 50, by, at });

export const era = (number: number, acceptedBy = 'operator') => ({ number, acceptedBy, acceptedAt: at });

export const history = (epoch: number, node = 'a'): HistoryRecord => ({
  epoch,
  node,
  at,
  from: null,
  cause: { code: 'FIRST_START', sentence: 'the cluster is new' },
  requestedBy: null,
  operationId: null,
  phases: { replicatorMs: 1, sftpNodeMs: 1, vipMs: 1, announcedMs: 1, servingMs: 1 },
  outageMs: null,
  outageAtLeastMs: null,
});

export const node = (id: string): NodeRecord => ({
  node: id,
  version: '1',
  priority: 100,
  noFailover: false,
  position: { epoch: 0, sequence: 0 },
  caughtUp: false,
  configDigest: '',
  hostKeyFingerprints: [],
  preparedFor: 0,
  serving: 0,
  settings: {},
  linkAddresses: [],
  ineligible: [],
  health: [],
  resync: null,
});

/** For an etcd that asks for users: one who may read and write below `folder` alone. */
export async function addUser(etcd: OneEtcd, name: string, password: string, folder: string): Promise<void> {
  await etcd.ctl('user', 'add', `${name}:${password}`);
  await etcd.ctl('role', 'add', name);
  await etcd.ctl('role', 'grant-permission', name, 'readwrite', folder, '--prefix');
  await etcd.ctl('user', 'grant-role', name, name);
}
