import { networkInterfaces } from 'node:os';
import { noop } from 'cockatiel';
import { Etcd3, type IOptions } from 'etcd3';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import type { Config } from '../../config/schema.ts';
import { readCredentials, readLogin } from './credentials.ts';
import { type Refusal, refusalOf } from './refusals.ts';

const loginLimitMs = 1000;
/** Longer than any request may take. */
const replacedForMs = 5000;
/**
 * While something is asked or watched, its connection is asked for a sign of life this often, and given up when none
 * comes in time: a router that died closes nothing, and the kernel would go on for a quarter of an hour. Etcd takes it
 * ill when it is asked more often than every 5 s (`--grpc-keepalive-min-time`), or while nothing is under way.
 */
const keepalive = { 'grpc.keepalive_time_ms': 6000, 'grpc.keepalive_timeout_ms': 2000 };

const yes = () => true;
const no = () => false;

/** One etcd member, with a client of its own so that we decide which member is asked, and when. */
export interface Endpoint {
  readonly url: string;
  readonly client: Etcd3;
  /** One more, with connections of its own. */
  readonly openClient: () => Etcd3;
}

/**
 * The library's circuit breaker would shut a member out for 5 s after three failures, and gRPC would wait up to two
 * minutes before it connects again: both are longer than a lease.
 * @throws HoldfastError ETCD_TLS_UNUSABLE, ETCD_PASSWORD_UNREADABLE
 */
export function openEndpoints(etcd: Config['etcd']): Endpoint[] {
  const options: Omit<IOptions, 'hosts'> = {
    faultHandling: { host: () => noop, global: noop },
    grpcOptions: {
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.min_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 500,
      'grpc.use_local_subchannel_pool': 1,
      ...keepalive,
    },
    ...readCredentials(etcd.tls),
    ...readLogin(etcd, () => new Date(Date.now() + loginLimitMs)),
  };
  const urls = [...etcd.endpoints].sort((a, b) => Number(isOnThisHost(b)) - Number(isOnThisHost(a)));
  return urls.map((url) => {
    const openClient = () => new Etcd3({ ...options, hosts: url });
    return { url, client: openClient(), openClient };
  });
}

/** The member on this host is asked first: it dies with us, while any other may die alone. */
export function isOnThisHost(url: string): boolean {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  return Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some((entry) => entry.address === host),
  );
}

/** Waits that end together. (An AbortSignal would make an exception with a stack for each of them, at each request.) */
class Timers {
  readonly #running: NodeJS.Timeout[] = [];

  after(ms: number): Promise<void> {
    return new Promise((resolve) => this.#running.push(setTimeout(resolve, ms)));
  }

  clear(): void {
    for (const timer of this.#running) clearTimeout(timer);
  }
}

/** What each member said that was asked in vain. */
class Failures {
  readonly #told = new Map<string, string>();
  #refusal: (Refusal & { readonly url: string }) | null = null;

  add(url: string, error: unknown): void {
    this.#told.set(url, messageOf(error));
    const refusal = refusalOf(error);
    if (refusal === null) return;
    if (this.#refusal === null || refusal.isFinal) this.#refusal = { ...refusal, url };
  }

  get isFinal(): boolean {
    return this.#refusal?.isFinal ?? false;
  }

  asError(urls: readonly string[], hints: readonly string[], cause: unknown): HoldfastError {
    const told = (url: string) => `${url} (${this.#told.get(url) ?? 'no answer'})`;
    if (this.#refusal === null) {
      const what = [`no etcd member answered: tried ${urls.map(told).join(', ')}`, ...hints].join('; ');
      return new HoldfastError('ETCD_UNREACHABLE', what, { cause });
    }
    const { code, url, isFinal } = this.#refusal;
    const others = isFinal ? [] : urls.filter((other) => other !== url).map((other) => `; ${told(other)}`);
    return new HoldfastError(code, `etcd refuses: ${told(url)}${others.join('')}`, { cause });
  }
}

/**
 * Asks the endpoints in order until one answers: the next is asked as well when the one before failed, or has been
 * silent for `hedgeAfterMs`, while the earlier ones may still answer. So a dead member costs one hedge delay, and a
 * slow cluster is still waited for until `budgetMs`. The one that answered is asked first next time.
 *
 * A member that refuses has answered too: its refusal is what is told when no other member did better, and the others
 * are not asked when they would say the same.
 */
export class EndpointRing {
  #endpoints: Endpoint[];
  readonly #hints: () => readonly string[];

  /** @param hints what may be the reason when nobody answers, for the error */
  constructor(endpoints: readonly Endpoint[], hints: () => readonly string[] = () => []) {
    this.#endpoints = [...endpoints];
    this.#hints = hints;
  }

  /** Asks these from now on. What is under way at the ones before may end. */
  replace(endpoints: readonly Endpoint[]): void {
    const before = this.#endpoints;
    this.#endpoints = [...endpoints];
    setTimeout(() => {
      for (const { client } of before) client.close();
    }, replacedForMs).unref();
  }

  get urls(): string[] {
    return this.#endpoints.map((endpoint) => endpoint.url).sort();
  }

  /**
   * @throws HoldfastError ETCD_UNREACHABLE, or what those that answered refused it for, naming each endpoint and what
   *   it said
   */
  async ask<Answer>(
    call: (client: Etcd3, deadline: Date) => Promise<Answer>,
    budgetMs: number,
    hedgeAfterMs: number,
  ): Promise<Answer> {
    // gRPC counts deadlines by the wall clock, which may be stepped: it only cleans up, `outOfTime` decides.
    const deadline = new Date(Date.now() + budgetMs + 1000);
    const failures = new Failures();
    const timers = new Timers();
    const refused = Promise.withResolvers<never>();
    refused.promise.catch(() => {});
    const attempt = async (endpoint: Endpoint) => {
      try {
        const answer = await call(endpoint.client, deadline);
        this.#prefer(endpoint);
        return answer;
      } catch (error) {
        failures.add(endpoint.url, error);
        if (failures.isFinal) refused.reject(error);
        throw error;
      }
    };
    const attempts: Promise<Answer>[] = [];
    const outOfTime = timers.after(budgetMs).then(() => {
      throw new Error(`no answer in ${budgetMs} ms`);
    });
    outOfTime.catch(() => {});
    try {
      for (const endpoint of [...this.#endpoints]) {
        const running = attempt(endpoint);
        attempts.push(running);
        const turn = await Promise.race([
          Promise.any(attempts).then(yes, no),
          running.then(yes, no),
          refused.promise.then(yes, yes),
          timers.after(hedgeAfterMs).then(no),
        ]);
        if (turn || failures.isFinal) break;
      }
      return await Promise.race([Promise.any(attempts), refused.promise, outOfTime]);
    } catch (cause) {
      throw failures.asError(this.urls, this.#hints(), cause);
    } finally {
      timers.clear();
      for (const running of attempts) running.catch(() => {});
    }
  }

  #prefer(endpoint: Endpoint): void {
    const index = this.#endpoints.indexOf(endpoint);
    if (index > 0) {
      this.#endpoints.splice(index, 1);
      this.#endpoints.unshift(endpoint);
    }
  }

  each(use: (endpoint: Endpoint) => void): void {
    for (const endpoint of this.#endpoints) use(endpoint);
  }

  close(): void {
    this.each(({ client }) => client.close());
  }
}
