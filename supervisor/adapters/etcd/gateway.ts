import { readFileSync } from 'node:fs';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Config } from '../../config/schema.ts';

type Tls = Config['etcd']['tls'];
type Members = Pick<Config['etcd'], 'endpoints' | 'tls'>;

const limitMs = 1000;
/** gRPC's NOT_FOUND: the lease has ended already. */
const notFoundCode = 5;

/**
 * Revokes a lease through the members' HTTP gateway: every one is asked at once, and the first answer counts. After a
 * crash nobody serves meanwhile, and loading the gRPC client alone takes a quarter of a second.
 * @throws AggregateError when no member did it, as when the gateway is switched off (--enable-grpc-gateway=false)
 */
export async function revokeThroughGateway(etcd: Members, leaseId: string): Promise<void> {
  const over = AbortSignal.timeout(limitMs);
  await Promise.any(etcd.endpoints.map((endpoint) => revokeAt(endpoint, etcd.tls, leaseId, over)));
}

async function revokeAt(endpoint: string, tls: Tls, leaseId: string, signal: AbortSignal): Promise<void> {
  const { status, answer } = await post(new URL('/v3/lease/revoke', endpoint), tls, { ID: leaseId }, signal);
  if (status === 404 && JSON.parse(answer).code === notFoundCode) return;
  if (status !== 200) throw new Error(`${endpoint}: ${status} ${answer}`);
}

/** One request of etcd's API in its JSON form. @throws Error when it was not answered with 200 */
export async function askGateway(etcd: Members, endpoint: string, path: string, body: unknown) {
  const { status, answer } = await post(
    new URL(path, endpoint),
    etcd.tls,
    body,
    AbortSignal.timeout(limitMs),
  );
  if (status !== 200) throw new Error(`${endpoint}${path}: ${status} ${answer}`);
  return JSON.parse(answer) as unknown;
}

async function post(url: URL, tls: Tls, body: unknown, signal: AbortSignal) {
  const outgoing = await open(url, tls, signal);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on('response', resolve).on('error', reject);
    outgoing.end(JSON.stringify(body));
  });
  return { status: response.statusCode, answer: await text(response) };
}

async function open(url: URL, tls: Tls, signal: AbortSignal): Promise<ClientRequest> {
  const options = { method: 'POST', signal, agent: false, headers: { 'content-type': 'application/json' } };
  if (url.protocol === 'http:') return httpRequest(url, options);
  const { request } = await import('node:https');
  const { ca, cert, key } = tls ?? {};
  return request(url, {
    ...options,
    ca: ca && readFileSync(ca),
    cert: cert && readFileSync(cert),
    key: key && readFileSync(key),
  });
}
