import { readFileSync } from 'node:fs';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { EtcdMembers } from '../../runtime/ports.ts';

const limitMs = 1000;
/** gRPC's NOT_FOUND: the lease has ended already. */
const notFoundCode = 5;

/**
 * Revokes a lease through the members' HTTP gateway: every one is asked at once, and the first answer counts. After a
 * crash nobody serves meanwhile, and loading the gRPC client alone takes a quarter of a second.
 * @throws AggregateError when no member did it, as when the gateway is switched off (--enable-grpc-gateway=false)
 */
export async function revokeThroughGateway(etcd: EtcdMembers, leaseId: string): Promise<void> {
  await connectToGateway(etcd).revoke(leaseId);
}

/** Connects to every member ahead of a revocation, so that nothing but the request itself is left to wait for. */
export function connectToGateway(etcd: EtcdMembers): { revoke(leaseId: string): Promise<void> } {
  const requests = etcd.endpoints.map(
    (endpoint) => new GatewayRequest(etcd, new URL('/v3/lease/revoke', endpoint), tokenFrom(etcd, endpoint)),
  );
  return {
    async revoke(leaseId) {
      try {
        await Promise.any(requests.map((request) => revokeBy(request, leaseId)));
      } finally {
        for (const request of requests) request.abandon();
      }
    },
  };
}

/** What the request of a user carries; null where etcd asks for none. */
async function tokenFrom(etcd: EtcdMembers, endpoint: string): Promise<string | null> {
  const { username, passwordFile } = etcd;
  if (username === undefined || passwordFile === undefined) return null;
  const [password = ''] = readFileSync(passwordFile, 'utf8').split('\n');
  const request = new GatewayRequest(etcd, new URL('/v3/auth/authenticate', endpoint), null);
  const { status, answer } = await request.send({ name: username, password });
  if (status !== 200) throw new GatewayRefusal(`${request.url}: ${status} ${answer}`);
  return JSON.parse(answer).token;
}

async function revokeBy(request: GatewayRequest, leaseId: string): Promise<void> {
  const { status, answer } = await request.send({ ID: leaseId });
  if (status === 404 && JSON.parse(answer).code === notFoundCode) return;
  if (status !== 200) throw new Error(`${request.url}: ${status} ${answer}`);
}

/** The member answered, and not with what it was asked for: it lives. */
export class GatewayRefusal extends Error {}

/** One request of etcd's API in its JSON form. @throws GatewayRefusal; Error when the member did not answer */
export async function askGateway(etcd: EtcdMembers, endpoint: string, path: string, body: unknown) {
  const request = new GatewayRequest(etcd, new URL(path, endpoint), tokenFrom(etcd, endpoint));
  const { status, answer } = await request.send(body);
  if (status !== 200) throw new GatewayRefusal(`${endpoint}${path}: ${status} ${answer}`);
  return JSON.parse(answer) as unknown;
}

/** Connects at once; what is asked follows when it is known. */
class GatewayRequest {
  readonly url: URL;
  readonly #outgoing: ClientRequest;
  readonly #response: Promise<IncomingMessage>;

  readonly #token: Promise<string | null>;

  /** @param token of the user; null: none is needed */
  constructor({ tls }: EtcdMembers, url: URL, token: Promise<string | null> | null) {
    this.url = url;
    this.#token = token ?? Promise.resolve(null);
    this.#token.catch(() => {});
    const outgoing = open(url, tls);
    this.#outgoing = outgoing;
    this.#response = new Promise((resolve, reject) => {
      outgoing.on('response', resolve).on('error', reject);
    });
    // Whoever sends hears of it; until then nobody listens.
    this.#response.catch(() => {});
  }

  async send(body: unknown): Promise<{ status: number | undefined; answer: string }> {
    const late = new Error(`${this.url}: no answer within ${limitMs} ms`);
    const over = setTimeout(() => this.#outgoing.destroy(late), limitMs);
    try {
      const token = await this.#token;
      if (token !== null) this.#outgoing.setHeader('authorization', token);
      this.#outgoing.end(JSON.stringify(body));
      const response = await this.#response;
      let answer = '';
      for await (const chunk of response.setEncoding('utf8')) answer += chunk;
      return { status: response.statusCode, answer };
    } finally {
      clearTimeout(over);
    }
  }

  abandon(): void {
    this.#outgoing.destroy();
  }
}

function open(url: URL, tls: EtcdMembers['tls']): ClientRequest {
  const options = { method: 'POST', agent: false, headers: { 'content-type': 'application/json' } };
  // An import of Node's http would evaluate all that it exports, WebSocket among it: 45 ms.
  if (url.protocol === 'http:') return process.getBuiltinModule('node:http').request(url, options);
  const { ca, cert, key } = tls ?? {};
  return process.getBuiltinModule('node:https').request(url, {
    ...options,
    ca: ca && readFileSync(ca),
    cert: cert && readFileSync(cert),
    key: key && readFileSync(key),
  });
}
