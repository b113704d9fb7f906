import type { Etcd3, ICompare, IRequestOp, ITxnResponse } from 'etcd3';
import type { Logger } from '#contracts/log.ts';
import type { Config } from '../../config/schema.ts';
import type { Clock } from '../../runtime/ports.ts';
import { certificateProblems } from './credentials.ts';
import { CredentialsRenewal } from './credentials-renewal.ts';
import { EndpointRing, openEndpoints } from './endpoints.ts';
import type { EtcdAnswer, EtcdRpc, EtcdTransaction, EtcdWatcher } from './rpc.ts';
import { watchMember } from './watch.ts';

/** Etcd through the RPC clients of the etcd3 package, one a member. */
export class EtcdClient implements EtcdRpc {
  readonly #ring: EndpointRing;
  readonly #clock: Clock;
  readonly #hedgeMs: number;
  readonly #renewal: CredentialsRenewal;
  readonly #watched: { prefix: string; watcher: EtcdWatcher }[] = [];
  readonly #endWatches: (() => void)[] = [];

  /** @throws HoldfastError ETCD_TLS_UNUSABLE, ETCD_PASSWORD_UNREADABLE */
  constructor({ etcd, lease }: Pick<Config, 'etcd' | 'lease'>, clock: Clock, log: Logger | null = null) {
    this.#clock = clock;
    this.#hedgeMs = Math.min(300, lease.renewEvery / 2);
    this.#ring = new EndpointRing(openEndpoints(etcd), () => certificateProblems(etcd.tls, this.#wallMs()));
    this.#renewal = new CredentialsRenewal(etcd.tls, () => this.#reopen(etcd), log);
  }

  transaction(
    { compare, success, failure = [] }: EtcdTransaction,
    budgetMs: number,
  ): Promise<EtcdAnswer<ITxnResponse>> {
    const request = {
      compare: compare as ICompare[],
      success: success as IRequestOp[],
      failure: [...failure],
    };
    return this.#ask(
      (client, options, sent) => client.kv.txn(request, options).then((answer) => ({ answer, ...sent })),
      budgetMs,
    );
  }

  grantLease(ttlSeconds: number, budgetMs: number) {
    return this.#ask(async (client, options, sent) => {
      const granted = await client.leaseClient.leaseGrant({ TTL: ttlSeconds }, options);
      return { answer: { id: granted.ID, ttlSeconds: Number(granted.TTL) }, ...sent };
    }, budgetMs);
  }

  /**
   * One request, one answer, one stream, which is closed in every case. (The library's `keepaliveOnce` is bound to
   * the client that granted the lease; ours asks any member.)
   */
  renewLease(leaseId: string, budgetMs: number) {
    return this.#ask(async (client, options) => {
      const stream = await client.leaseClient.leaseKeepAlive(options);
      const sent = this.#sent();
      try {
        const answer = await new Promise<{ TTL: string }>((resolve, reject) => {
          stream.on('data', resolve);
          stream.on('error', reject);
          stream.on('end', () => reject(new Error('the renewal stream ended without an answer')));
          stream.write({ ID: leaseId });
        });
        return Number(answer.TTL) > 0 ? { answer: { id: leaseId }, ...sent } : null;
      } finally {
        stream.on('error', () => {});
        stream.end();
      }
    }, budgetMs);
  }

  async revokeLease(leaseId: string, budgetMs: number): Promise<void> {
    await this.#ask(async (client, options) => {
      try {
        await client.leaseClient.leaseRevoke({ ID: leaseId }, options);
      } catch (error) {
        if (!String(error).includes('requested lease not found')) throw error;
      }
    }, budgetMs);
  }

  watch(prefix: string, watcher: EtcdWatcher): void {
    this.#watched.push({ prefix, watcher });
    this.#beginWatches();
  }

  close(): void {
    this.#renewal.end();
    for (const end of this.#endWatches) end();
    this.#ring.close();
  }

  /** Connections with the certificates that are there now, and watches on them. */
  #reopen(etcd: Config['etcd']): void {
    this.#ring.replace(openEndpoints(etcd));
    this.#beginWatches();
  }

  /** One watch a member: any of them may be the one that still answers. */
  #beginWatches(): void {
    for (const end of this.#endWatches.splice(0)) end();
    this.#ring.each(({ client }) => {
      for (const { prefix, watcher } of this.#watched) {
        this.#endWatches.push(watchMember(client, prefix, watcher));
      }
    });
  }

  #ask<Answer>(
    call: (
      client: Etcd3,
      options: { deadline: Date },
      sent: { sentAtMs: number; wallMs: number },
    ) => Promise<Answer>,
    budgetMs: number,
  ): Promise<Answer> {
    return this.#ring.ask(
      (client, deadline) => call(client, { deadline }, this.#sent()),
      budgetMs,
      this.#hedgeMs,
    );
  }

  #sent(): { sentAtMs: number; wallMs: number } {
    return { sentAtMs: this.#clock.bootTimeMs(), wallMs: this.#wallMs() };
  }

  #wallMs(): number {
    return Date.parse(this.#clock.wallTimeIso());
  }
}
