import { readFileSync } from 'node:fs';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Config } from '../../config/schema.ts';

const limitMs = 1000;
/** gRPC's NOT_FOUND: the lease has ended already. */
const notFoundCode = 5;

/**
 * Revokes a lease through the members' HTTP gateway: every one is asked at once, and the first answer counts. After a
 * crash nobody serves meanwhile, and loading the gRPC client alone takes a quarter of a second.
 * @throws AggregateError when no member did it, as when the gateway is switched off (--enable-grpc-gateway=false)
 */
export async function revokeThroughGateway(etcd: Config['etcd'], leaseId: string): Promise<void> {
  const over = AbortSignal.timeout(limitMs);
  await Promise.any(etcd.endpoints.map((endpoint) => revokeAt(endpoint, etcd.tls, leaseId, over)));
}

async function revokeAt(
  endpoint: string,
  tls: Config['etcd']['tls'],
  leaseId: string,
  signal: AbortSignal,
): Promise<void> {
  const outgoing = await open(new URL('/v3/lease/revoke', endpoint), tls, signal);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on('response', resolve).on('error', reject);
    outgoing.end(JSON.stringify({ ID: leaseId }));
  });
  const answer = await text(response);
  if (response.statusCode === 200) return;
  if (response.statusCode === 404 && JSON.parse(answer).code === notFoundCode) return;
  throw new Error(`${endpoint}: ${response.statusCode} ${answer}`);
}

async function open(url: URL, tls: Config['etcd']['tls'], signal: AbortSignal): Promise<ClientRequest> {
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
