import type { Etcd3, ICompare, IRequestOp } from 'etcd3';
import { HoldfastError } from '#contracts/errors.ts';
import type { Epoch, NodeId } from '#contracts/identities.ts';
import type { Logger } from '#contracts/log.ts';
import type { Config } from '../../config/schema.ts';
import { type Era, epochBaseOf, type Restored } from '../../core/records/era.ts';
import { type Departure, type HistoryRecord, historyLimit } from '../../core/records/history.ts';
import type { OperationRecord, Pause } from '../../core/records/operation.ts';
import type { ClusterView, LeaderRecord, NodeRecord, PeerRecord } from '../../core/records/records.ts';
import type { SettingsRecord } from '../../core/records/settings.ts';
import type {
  Clock,
  ClusterStore,
  ClusterWatcher,
  LeadershipWrite,
  LeaseGrant,
} from '../../runtime/ports.ts';
import { historyOf, modRevisionOf, viewFolders, viewKeys, viewOf } from './codec.ts';
import { certificateProblems } from './credentials.ts';
import { CredentialsRenewal } from './credentials-renewal.ts';
import { EndpointRing, openEndpoints } from './endpoints.ts';
import { watchMember } from './watch.ts';

/** How long a write may take before its author reads again to learn whether it happened. */
const writeBudgetMs = 2000;
/** A renewal or read that takes longer is given up for a fresh one, which may meet a member that is back. */
const pollBudgetMs = 1000;

/** The cluster state in etcd, under `/holdfast/<cluster>/`, through the RPC clients of the etcd3 package. */
export class EtcdStore implements ClusterStore {
  readonly #ring: EndpointRing;
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #hedgeMs: number;
  readonly #prefix: string;
  readonly #watchers: ClusterWatcher[] = [];
  readonly #endWatches: (() => void)[] = [];
  readonly #renewal: CredentialsRenewal;
  /** As it was read last; the key's revision, so that a claim counts in the era that is. */
  #era = { number: 0, modRevision: 0 };

  /** @throws HoldfastError ETCD_TLS_UNUSABLE */
  constructor(config: Config, clock: Clock, log: Logger | null = null) {
    const { etcd } = config;
    const wallMs = () => Date.parse(clock.wallTimeIso());
    this.#ring = new EndpointRing(openEndpoints(etcd), () => certificateProblems(etcd.tls, wallMs()));
    this.#renewal = new CredentialsRenewal(etcd.tls, () => this.#reopen(etcd), log);
    this.#clock = clock;
    this.#ttlMs = config.lease.ttl;
    this.#hedgeMs = Math.min(300, config.lease.renewEvery / 2);
    this.#prefix = `/holdfast/${config.cluster}/`;
  }

  get endpoints(): string[] {
    return this.#ring.urls;
  }

  async grantLease(): Promise<LeaseGrant> {
    return this.#ask(async (client, options) => {
      const sentAtMs = this.#clock.bootTimeMs();
      const granted = await client.leaseClient.leaseGrant({ TTL: this.#ttlMs / 1000 }, options);
      if (Number(granted.TTL) * 1000 !== this.#ttlMs) {
        throw new HoldfastError(
          'ETCD_TTL_REFUSED',
          `etcd grants ${granted.TTL} s where lease.ttl asks for ${this.#ttlMs / 1000} s`,
        );
      }
      return { leaseId: granted.ID, sentAtMs };
    }, writeBudgetMs);
  }

  async renewLease(leaseId: string): Promise<LeaseGrant | null> {
    return this.#ask((client, options) => this.#keepAliveOnce(client, leaseId, options), pollBudgetMs);
  }

  /**
   * One request, one answer, one stream, which is closed in every case. (The library's `keepaliveOnce` is bound to
   * the client that granted the lease; ours asks any member.)
   */
  async #keepAliveOnce(
    client: Etcd3,
    leaseId: string,
    options: { deadline: Date },
  ): Promise<LeaseGrant | null> {
    const stream = await client.leaseClient.leaseKeepAlive(options);
    const sentAtMs = this.#clock.bootTimeMs();
    try {
      const answer = await new Promise<{ TTL: string }>((resolve, reject) => {
        stream.on('data', resolve);
        stream.on('error', reject);
        stream.on('end', () => reject(new Error('the renewal stream ended without an answer')));
        stream.write({ ID: leaseId });
      });
      return Number(answer.TTL) > 0 ? { leaseId, sentAtMs } : null;
    } finally {
      stream.on('error', () => {});
      stream.end();
    }
  }

  async revokeLease(leaseId: string): Promise<void> {
    await this.#ask(async (client, options) => {
      try {
        await client.leaseClient.leaseRevoke({ ID: leaseId }, options);
      } catch (error) {
        if (!String(error).includes('requested lease not found')) throw error;
      }
    }, writeBudgetMs);
  }

  async read(): Promise<ClusterView> {
    const keys = [...viewKeys, ...viewFolders];
    const ranges: IRequestOp[] = keys.map((name) => {
      const key = this.#key(name);
      return { request_range: name.endsWith('/') ? { key, range_end: prefixEnd(key) } : { key } };
    });
    return this.#ask(async (client, options) => {
      const sentAtMs = this.#clock.bootTimeMs();
      const wallMs = Date.parse(this.#clock.wallTimeIso());
      const answer = await client.kv.txn({ success: ranges }, options);
      const answers = answer.responses.map((response) => response.response_range);
      const moment = { revision: Number(answer.header.revision), sentAtMs, wallMs };
      const answered = Object.fromEntries(keys.map((name, index) => [name, answers[index]]));
      const view = viewOf(moment, answered);
      this.#era = { number: view.era, modRevision: modRevisionOf(answered.era) };
      return view;
    }, pollBudgetMs);
  }

  /** Connections with the certificates that are there now, and watches on them. */
  #reopen(etcd: Config['etcd']): void {
    this.#ring.replace(openEndpoints(etcd));
    this.#beginWatches();
  }

  watch(watcher: ClusterWatcher): void {
    this.#watchers.push(watcher);
    this.#beginWatches();
  }

  #beginWatches(): void {
    for (const end of this.#endWatches.splice(0)) end();
    const cluster = {
      prefix: this.#prefix,
      leaderKey: this.#key('leader'),
      epochAt: (revision: string) => this.#epochAt(revision),
    };
    // One watch a member: any of them may be the one that still answers.
    this.#ring.each(({ client }) => {
      for (const watcher of this.#watchers) this.#endWatches.push(watchMember(client, cluster, watcher));
    });
  }

  async claimLeadership(
    record: LeaderRecord,
    leaseId: string,
    inSyncModRevision: number,
    alone: boolean,
  ): Promise<LeadershipWrite> {
    const reason = inSyncModRevision === 0 ? 'a new cluster' : alone ? `failover to ${record.node}` : null;
    return this.#writeLeader(
      [
        absent(this.#key('leader')),
        unchanged(this.#key('insync'), inSyncModRevision),
        unchanged(this.#key('era'), this.#era.modRevision),
      ],
      [
        this.#putLeader(record, leaseId),
        ...(reason === null ? [] : [this.#put('insync', { members: [record.node], epoch: 0, reason })]),
      ],
    );
  }

  async moveLeadership(epoch: Epoch, record: LeaderRecord, leaseId: string): Promise<LeadershipWrite> {
    return this.#writeLeader([this.#leads(epoch)], [this.#putLeader(record, leaseId)]);
  }

  async #writeLeader(compare: ICompare[], success: IRequestOp[]): Promise<LeadershipWrite> {
    return this.#ask(async (client, options) => {
      const answer = await client.kv.txn({ compare, success }, options);
      return answer.succeeded ? { won: true, epoch: this.#epochAt(answer.header.revision) } : { won: false };
    }, writeBudgetMs);
  }

  async releaseLeadership(epoch: Epoch, departure: Departure): Promise<void> {
    const key = this.#key('leader');
    await this.#writeIf(
      [this.#leads(epoch)],
      [{ request_delete_range: { key } }, this.#put('departure', departure)],
    );
  }

  async writeInSync(
    epoch: Epoch,
    members: readonly NodeId[],
    reason: string,
    modRevision: number,
  ): Promise<boolean> {
    return this.#writeIf(
      [this.#leads(epoch), unchanged(this.#key('insync'), modRevision)],
      [this.#put('insync', { members, epoch, reason })],
    );
  }

  async writeSuccessor(epoch: Epoch, node: NodeId | null, leaseId: string): Promise<boolean> {
    const key = this.#key('successor');
    const write: IRequestOp =
      node === null ? { request_delete_range: { key } } : this.#put('successor', { node, epoch }, leaseId);
    return this.#writeIf([this.#leads(epoch)], [write]);
  }

  async writeOperation(record: OperationRecord, modRevision: number): Promise<boolean> {
    return this.#writeIf([unchanged(this.#key('operation'), modRevision)], [this.#put('operation', record)]);
  }

  async writeSettings(settings: SettingsRecord): Promise<boolean> {
    return this.#writeIf([this.#leads(settings.epoch)], [this.#put('settings', settings)]);
  }

  async writePause(pause: Pause | null): Promise<void> {
    const key = this.#key('paused');
    await this.#write(pause === null ? { request_delete_range: { key } } : this.#put('paused', pause));
  }

  async writeRestored(restored: Restored): Promise<void> {
    await this.#write(this.#put('restored', restored));
  }

  async beginEra(era: Era, members: readonly NodeId[], view: ClusterView): Promise<boolean> {
    const reason = `etcd was restored, accepted by ${era.acceptedBy}`;
    return this.#writeIf(
      [
        absent(this.#key('leader')),
        unchanged(this.#key('era'), this.#era.modRevision),
        unchanged(this.#key('insync'), view.inSync?.modRevision ?? 0),
      ],
      [
        this.#put('era', era),
        this.#put('insync', { members, epoch: 0, reason }),
        { request_delete_range: { key: this.#key('restored') } },
      ],
    );
  }

  async readHistory(): Promise<HistoryRecord[]> {
    return (await this.#history()).map(({ record }) => record);
  }

  async writeHistory(record: HistoryRecord): Promise<void> {
    await this.#write(this.#put(`history/${record.epoch}`, record));
    const old = (await this.#history()).slice(0, -historyLimit);
    // As many as one transaction may hold; the rest with the next record.
    const success = old.slice(0, 100).map(({ key }) => ({ request_delete_range: { key } }));
    if (success.length > 0) await this.#writeIf([], success);
  }

  async #history() {
    const key = this.#key('history/');
    const range = { key, range_end: prefixEnd(key) };
    const { kvs } = await this.#ask((client, options) => client.kv.range(range, options), writeBudgetMs);
    return historyOf(kvs);
  }

  async publishNode(record: NodeRecord, leaseId: string): Promise<void> {
    await this.#write(this.#put(`nodes/${record.node}`, record, leaseId));
  }

  async publishPeer(record: PeerRecord): Promise<void> {
    await this.#write(this.#put(`peers/${record.node}`, record));
  }

  close(): void {
    this.#renewal.end();
    for (const end of this.#endWatches) end();
    this.#ring.close();
  }

  async #writeIf(compare: ICompare[], success: IRequestOp[]): Promise<boolean> {
    return this.#ask(
      async (client, options) => (await client.kv.txn({ compare, success }, options)).succeeded,
      writeBudgetMs,
    );
  }

  async #write(operation: IRequestOp): Promise<void> {
    await this.#writeIf([], [operation]);
  }

  #ask<Answer>(call: (client: Etcd3, options: { deadline: Date }) => Promise<Answer>, budgetMs: number) {
    return this.#ring.ask((client, deadline) => call(client, { deadline }), budgetMs, this.#hedgeMs);
  }

  #epochAt(revision: string | number): Epoch {
    return epochBaseOf(this.#era.number) + Number(revision);
  }

  #leads(epoch: Epoch): ICompare {
    return unchanged(this.#key('leader'), epoch - epochBaseOf(this.#era.number));
  }

  #putLeader(record: LeaderRecord, leaseId: string): IRequestOp {
    return this.#put('leader', { ...record, era: this.#era.number }, leaseId);
  }

  #key(name: string): Buffer {
    return Buffer.from(this.#prefix + name);
  }

  #put(name: string, value: unknown, leaseId?: string): IRequestOp {
    const lease = leaseId === undefined ? {} : { lease: leaseId };
    return { request_put: { key: this.#key(name), value: Buffer.from(JSON.stringify(value)), ...lease } };
  }
}

function absent(key: Buffer): ICompare {
  return { key, target: 'Create', result: 'Equal', create_revision: 0 };
}

/** The key was last written at this revision; 0: it does not exist. */
function unchanged(key: Buffer, modRevision: number): ICompare {
  return { key, target: 'Mod', result: 'Equal', mod_revision: modRevision };
}

/** The end of the range of all keys with this prefix: its last byte plus one ("/" is never 0xff). */
function prefixEnd(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  end.writeUInt8(end.readUInt8(end.length - 1) + 1, end.length - 1);
  return end;
}
