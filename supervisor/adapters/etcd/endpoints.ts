import { networkInterfaces } from 'node:os';
import { noop } from 'cockatiel';
import { Etcd3, type IOptions } from 'etcd3';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import type { Config } from '../../config/schema.ts';
import { readCredentials, readLogin } from './credentials.ts';

const loginLimitMs = 1000;
/** Longer than any request may take. */
const replacedForMs = 5000;

const yes = () => true;
const no = () => false;

/** One etcd member, with a client of its own so that we decide which member is asked, and when. */
export interface Endpoint {
  readonly url: string;
  readonly client: Etcd3;
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
    },
    ...readCredentials(etcd.tls),
    ...readLogin(etcd, () => new Date(Date.now() + loginLimitMs)),
  };
  const urls = [...etcd.endpoints].sort((a, b) => Number(isOnThisHost(b)) - Number(isOnThisHost(a)));
  return urls.map((url) => ({ url, client: new Etcd3({ ...options, hosts: url }) }));
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

/**
 * Asks the endpoints in order until one answers: the next is asked as well when the one before failed, or has been
 * silent for `hedgeAfterMs`, while the earlier ones may still answer. So a dead member costs one hedge delay, and a
 * slow cluster is still waited for until `budgetMs`. The one that answered is asked first next time.
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

  /** @throws HoldfastError ETCD_UNREACHABLE naming each endpoint and what it said */
  async ask<Answer>(
    call: (client: Etcd3, deadline: Date) => Promise<Answer>,
    budgetMs: number,
    hedgeAfterMs: number,
  ): Promise<Answer> {
    // gRPC counts deadlines by the wall clock, which may be stepped: it only cleans up, `outOfTime` decides.
    const deadline = new Date(Date.now() + budgetMs + 1000);
    const failures = new Map<string, string>();
    const timers = new Timers();
    const attempt = async (endpoint: Endpoint) => {
      try {
        const answer = await call(endpoint.client, deadline);
        this.#prefer(endpoint);
        return answer;
      } catch (error) {
        failures.set(endpoint.url, messageOf(error));
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
          timers.after(hedgeAfterMs).then(no),
        ]);
        if (turn) break;
      }
      return await Promise.race([Promise.any(attempts), outOfTime]);
    } catch (cause) {
      const told = this.urls.map((url) => `${url} (${failures.get(url) ?? 'no answer'})`).join(', ');
      const what = [`no etcd member answered: tried ${told}`, ...this.#hints()].join('; ');
      throw new HoldfastError('ETCD_UNREACHABLE', what, { cause });
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
