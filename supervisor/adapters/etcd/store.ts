import type { ICompare, IRequestOp, ITxnResponse } from 'etcd3';
import { HoldfastError } from '#contracts/errors.ts';
import type { Epoch, NodeId } from '#contracts/identities.ts';
import type { AtRiskEntry, AtRiskRecord } from '../../core/records/at-risk.ts';
import type { Claim } from '../../core/records/claim.ts';
import { type Era, epochBaseOf, type Restored } from '../../core/records/era.ts';
import {
  type Departure,
  type HistoryEntry,
  type HistoryRecord,
  historyLimit,
} from '../../core/records/history.ts';
import type { HostRecord } from '../../core/records/host.ts';
import { endedPause, type OperationRecord, type Pause } from '../../core/records/operation.ts';
import {
  type ClusterView,
  formatVersion,
  type InSyncRecord,
  type LeaderRecord,
  type NodeRecord,
  type PeerRecord,
  type SingleKey,
  singleKeys,
} from '../../core/records/records.ts';
import type { SettingsRecord } from '../../core/records/settings.ts';
import type { ClusterStore, ClusterWatcher, LeadershipWrite, LeaseGrant } from '../../runtime/ports.ts';
import { atRiskOf, historyFolder, historyOf, leaderOf, viewFolders, viewOf } from './codec.ts';
import type { EtcdRpc } from './rpc.ts';

/** How long a write may take before its author reads again to learn whether it happened. */
const writeBudgetMs = 2000;
/** A renewal or read that takes longer is given up for a fresh one, which may meet a member that is back. */
const pollBudgetMs = 1000;

/**
 * The cluster state in etcd, under `/holdfast/<cluster>/`: what each change compares and writes, in one transaction.
 *
 * A request may be sent to two members, and be carried out twice: the second finds the compare broken by the first. So
 * a transaction whose compare fails looks at what it wanted to write: when all of that is there, it was its own success.
 */
export class EtcdStore implements ClusterStore {
  readonly #rpc: EtcdRpc;
  readonly #ttlMs: number;
  readonly #prefix: string;
  /** As it was read last: a claim counts in the era that is. */
  #era = { number: 0, modRevision: 0 };

  constructor(rpc: EtcdRpc, { cluster, lease }: { cluster: string; lease: { ttl: number } }) {
    this.#rpc = rpc;
    this.#ttlMs = lease.ttl;
    this.#prefix = `/holdfast/${cluster}/`;
  }

  async grantLease(): Promise<LeaseGrant> {
    const { answer, sentAtMs } = await this.#rpc.grantLease(this.#ttlMs / 1000, writeBudgetMs);
    if (answer.ttlSeconds * 1000 === this.#ttlMs) return { leaseId: answer.id, sentAtMs };
    throw new HoldfastError(
      'ETCD_TTL_REFUSED',
      `etcd grants ${answer.ttlSeconds} s where lease.ttl asks for ${this.#ttlMs / 1000} s`,
    );
  }

  async renewLease(leaseId: string): Promise<LeaseGrant | null> {
    const renewed = await this.#rpc.renewLease(leaseId, pollBudgetMs);
    return renewed && { leaseId, sentAtMs: renewed.sentAtMs };
  }

  async revokeLease(leaseId: string): Promise<void> {
    await this.#rpc.revokeLease(leaseId, writeBudgetMs);
  }

  async read(): Promise<ClusterView> {
    const names = [...singleKeys, ...viewFolders, historyFolder];
    const success = names.map((name): IRequestOp => {
      const key = this.#key(name);
      if (!name.endsWith('/')) return { request_range: { key } };
      const range = { key, range_end: prefixEnd(key) };
      return { request_range: name === historyFolder ? { ...range, count_only: true } : range };
    });
    const { answer, sentAtMs, wallMs } = await this.#rpc.transaction({ compare: [], success }, pollBudgetMs);
    const ranges = Object.fromEntries(
      names.map((name, index) => [name, answer.responses[index]?.response_range]),
    );
    const revision = Number(answer.header.revision);
    const view = viewOf({ revision, sentAtMs, wallMs, knownEra: this.#era.number }, ranges);
    this.#era = { number: view.era, modRevision: view.revisions.era };
    return view;
  }

  watch(watcher: ClusterWatcher): void {
    const leaderKey = `${this.#prefix}leader`;
    this.#rpc.watch(this.#prefix, {
      onKey: ({ key, value, modRevision, leaseId }) => {
        if (key !== leaderKey) return;
        // With an era that is not known yet a deletion looks old: the next read tells.
        if (value === null) return watcher.onLeader(null, this.#epochAt(modRevision));
        const stored = { key: Buffer.from(key), value, mod_revision: modRevision, lease: leaseId };
        const leader = leaderOf(stored, []);
        if (leader !== null) watcher.onLeader(leader, leader.epoch);
      },
      onChange: () => watcher.onChange(),
    });
  }

  async claimLeadership(record: LeaderRecord, leaseId: string, claim: Claim): Promise<LeadershipWrite> {
    const { inSyncModRevision, operationModRevision, alone, isNew } = claim;
    const compare = [
      absent(this.#key('leader')),
      unchanged(this.#key('insync'), inSyncModRevision),
      unchanged(this.#key('era'), this.#era.modRevision),
      ...(operationModRevision === null ? [] : [unchanged(this.#key('operation'), operationModRevision)]),
      ...(isNew
        ? [absent(this.#key('format')), ...[historyFolder, 'hosts/'].map((name) => this.#empty(name))]
        : []),
    ];
    const reason = isNew ? 'a new cluster' : alone ? `failover to ${record.node}` : null;
    return this.#writeLeader(compare, [
      this.#putLeader(record, leaseId),
      ...(reason === null ? [] : [this.#put('insync', { members: [record.node], epoch: 0, reason })]),
      ...(isNew ? [this.#putFormat(record.node)] : []),
    ]);
  }

  async moveLeadership(epoch: Epoch, record: LeaderRecord, leaseId: string): Promise<LeadershipWrite> {
    return this.#writeLeader([this.#leads(epoch)], [this.#putLeader(record, leaseId)]);
  }

  async #writeLeader(compare: ICompare[], success: IRequestOp[]): Promise<LeadershipWrite> {
    const answer = await this.#transaction(compare, success);
    if (answer.succeeded) return { won: true, epoch: this.#epochAt(answer.header.revision) };
    const mine = ownSuccess(success, answer);
    return mine === null ? { won: false } : { won: true, epoch: this.#epochAt(mine) };
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

  async writeFormat(epoch: Epoch, node: NodeId): Promise<boolean> {
    return this.#writeIf([this.#leads(epoch), absent(this.#key('format'))], [this.#putFormat(node)]);
  }

  async leaveInSync(record: InSyncRecord, modRevision: number): Promise<boolean> {
    return this.#writeIf([unchanged(this.#key('insync'), modRevision)], [this.#put('insync', record)]);
  }

  async writeHost(record: HostRecord, modRevision: number): Promise<boolean> {
    const name = `hosts/${record.node}`;
    return this.#writeIf([unchanged(this.#key(name), modRevision)], [this.#put(name, record)]);
  }

  async writeSuccessor(epoch: Epoch, node: NodeId | null, leaseId: string): Promise<boolean> {
    const key = this.#key('successor');
    const write: IRequestOp =
      node === null ? { request_delete_range: { key } } : this.#put('successor', { node, epoch }, leaseId);
    return this.#writeIf([this.#leads(epoch)], [write]);
  }

  async writeOperation(record: OperationRecord, modRevision: number, epoch: Epoch | null): Promise<boolean> {
    return this.#writeIf(
      [unchanged(this.#key('operation'), modRevision), ...this.#ledBy(epoch)],
      [this.#put('operation', record)],
    );
  }

  async writeSettings(settings: SettingsRecord, modRevision: number): Promise<boolean> {
    return this.#writeIf(
      [this.#leads(settings.epoch), unchanged(this.#key('settings'), modRevision)],
      [this.#put('settings', settings)],
    );
  }

  async writePause(pause: Pause | null, modRevision: number, epoch: Epoch | null): Promise<boolean> {
    const key = this.#key('paused');
    return this.#writeIf(
      [unchanged(key, modRevision), ...this.#ledBy(epoch)],
      [this.#put('paused', pause ?? endedPause)],
    );
  }

  async writeRestored(restored: Restored, view: ClusterView): Promise<boolean> {
    return this.#writeIf(
      [
        unchanged(this.#key('restored'), view.revisions.restored),
        unchanged(this.#key('era'), view.revisions.era),
      ],
      [this.#put('restored', restored)],
    );
  }

  async beginEra(era: Era, members: readonly NodeId[], view: ClusterView): Promise<boolean> {
    const reason = `etcd was restored, accepted by ${era.acceptedBy}`;
    const seen = (['era', 'insync', 'restored'] as const).map((name) =>
      unchanged(this.#key(name), view.revisions[name]),
    );
    return this.#writeIf(
      [absent(this.#key('leader')), ...seen],
      [
        this.#put('era', era),
        this.#put('insync', { members, epoch: 0, reason }),
        { request_delete_range: { key: this.#key('restored') } },
      ],
    );
  }

  async mendKey(name: SingleKey, modRevision: number, era: Era | null): Promise<boolean> {
    const key = this.#key(name);
    const write = name === 'era' && era !== null ? this.#put('era', era) : { request_delete_range: { key } };
    return this.#writeIf([unchanged(key, modRevision)], [write]);
  }

  async readHistory(): Promise<HistoryEntry[]> {
    return (await this.#history()).map(({ record, modRevision }) => ({ record, modRevision }));
  }

  async writeHistory(record: HistoryRecord, modRevision: number): Promise<boolean> {
    const name = `history/${record.epoch}`;
    const written = await this.#writeIf([unchanged(this.#key(name), modRevision)], [this.#put(name, record)]);
    const old = (await this.#history()).slice(0, -historyLimit);
    // As many as one transaction may hold; the rest with the next record.
    const success = old.slice(0, 100).map(({ key }) => ({ request_delete_range: { key } }));
    if (success.length > 0) await this.#transaction([], success);
    return written;
  }

  async #history() {
    const key = this.#key(historyFolder);
    const success = [{ request_range: { key, range_end: prefixEnd(key) } }];
    const { answer } = await this.#rpc.transaction({ compare: [], success }, writeBudgetMs);
    return historyOf(answer.responses[0]?.response_range?.kvs ?? []);
  }

  async readAtRisk(): Promise<AtRiskEntry> {
    const success = [{ request_range: { key: this.#key('at-risk') } }];
    const { answer } = await this.#rpc.transaction({ compare: [], success }, writeBudgetMs);
    return atRiskOf(answer.responses[0]?.response_range?.kvs ?? []);
  }

  async writeAtRisk(record: AtRiskRecord, modRevision: number): Promise<number | null> {
    const write = this.#put('at-risk', record);
    const isAsRead = unchanged(keyOf(write), modRevision);
    const answer = await this.#transaction([this.#leads(record.epoch), isAsRead], [write]);
    return answer.succeeded ? Number(answer.header.revision) : ownSuccess([write], answer);
  }

  /** The record of a host, on its own lease: nobody else writes it. */
  async publishNode(record: NodeRecord, leaseId: string): Promise<void> {
    await this.#transaction([], [this.#put(`nodes/${record.node}`, record, leaseId)]);
  }

  async publishPeer(record: PeerRecord): Promise<void> {
    await this.#transaction([], [this.#put(`peers/${record.node}`, record)]);
  }

  close(): void {
    this.#rpc.close();
  }

  async #writeIf(compare: ICompare[], success: IRequestOp[]): Promise<boolean> {
    const answer = await this.#transaction(compare, success);
    return answer.succeeded || ownSuccess(success, answer) !== null;
  }

  async #transaction(compare: ICompare[], success: IRequestOp[]): Promise<ITxnResponse> {
    const failure = success.map((write): IRequestOp => ({ request_range: { key: keyOf(write) } }));
    const { answer } = await this.#rpc.transaction({ compare, success, failure }, writeBudgetMs);
    return answer;
  }

  #epochAt(revision: string | number): Epoch {
    return epochBaseOf(this.#era.number) + Number(revision);
  }

  #leads(epoch: Epoch): ICompare {
    return unchanged(this.#key('leader'), epoch - epochBaseOf(this.#era.number));
  }

  /** 0: nobody leads; null: whoever does, or nobody. */
  #ledBy(epoch: Epoch | null): ICompare[] {
    if (epoch === 0) return [absent(this.#key('leader'))];
    return epoch === null ? [] : [this.#leads(epoch)];
  }

  #putLeader(record: LeaderRecord, leaseId: string): IRequestOp {
    return this.#put('leader', { ...record, era: this.#era.number }, leaseId);
  }

  #putFormat(by: NodeId): IRequestOp {
    return this.#put('format', { version: formatVersion, by });
  }

  /** There is no key in the folder. */
  #empty(folder: string): ICompare {
    const key = this.#key(folder);
    return { ...absent(key), range_end: prefixEnd(key) } as ICompare;
  }

  #key(name: string): Buffer {
    return Buffer.from(this.#prefix + name);
  }

  #put(name: string, value: unknown, leaseId?: string): IRequestOp {
    const lease = leaseId === undefined ? {} : { lease: leaseId };
    return { request_put: { key: this.#key(name), value: Buffer.from(JSON.stringify(value)), ...lease } };
  }
}

function keyOf({ request_put: put, request_delete_range: deletion }: IRequestOp): Buffer {
  const key = put?.key ?? deletion?.key;
  if (key === undefined) throw new Error('a transaction writes what is neither put nor deleted');
  return Buffer.from(key);
}

/**
 * The revision at which it was written, when what a failed transaction found is all as it would have left it, and was
 * left so by one write; null otherwise. 0: it only deletes, and the keys are gone, by this write or another.
 */
function ownSuccess(success: readonly IRequestOp[], { responses }: ITxnResponse): number | null {
  const revisions = new Set<number>();
  for (const [index, { request_put: put }] of success.entries()) {
    const found = responses[index]?.response_range?.kvs[0];
    const isAsWritten =
      put === undefined
        ? found === undefined
        : found?.value.equals(Buffer.from(put.value as Buffer)) && found.lease === String(put.lease ?? '0');
    if (!isAsWritten) return null;
    if (found !== undefined) revisions.add(Number(found.mod_revision));
  }
  return revisions.size > 1 ? null : ([...revisions][0] ?? 0);
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
