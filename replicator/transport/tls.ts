import { constants, createPrivateKey } from 'node:crypto';
import type { Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import ssh2 from 'ssh2';
import { codeOf, messageOf } from '#contracts/errors.ts';
import type { PeerKey } from '../state/peer-key.ts';
import { selfSignedCertificate, type Validity } from './certificate.ts';

/**
 * What both sides of a connection between peers ask of TLS: version 1.3, keys of the kind that peers have, and the
 * ciphers that processors do in hardware. No tickets: each connection shows both keys anew, so that one that etcd does
 * not name any more is out at once.
 *
 * @throws Error when it is not an Ed25519 key
 */
export function tlsOptions(key: PeerKey, nodeId: string, validity?: Validity) {
  const parsed = ssh2.utils.parseKey(key.privateKey);
  if (parsed instanceof Error) throw parsed;
  const privateKey = createPrivateKey(parsed.getPrivatePEM());
  const certificate = pem(selfSignedCertificate(privateKey, nodeId, validity));
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    cert: certificate,
    // Authorities are asked nothing; without any named, Node would load those of the whole world.
    ca: certificate,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384',
    sigalgs: 'ed25519',
    secureOptions: constants.SSL_OP_NO_TICKET,
  } satisfies SecureContextOptions;
}

export type TlsOptions = ReturnType<typeof tlsOptions>;

/**
 * The kernel asks whether the other side is there while nothing at all is said. It tells nobody who does not read, and
 * does not ask while something sent is not acknowledged: who is gone is found by `protocol/heartbeat.ts`.
 */
export function tuneSocket(socket: Socket): void {
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 5000, 2000, 3);
}

/** What went wrong in TLS, in few words; null: it was something else. */
export function tlsProblem(error: unknown): string | null {
  if (!/^ERR_(SSL|TLS)_/.test(codeOf(error))) return null;
  return error instanceof Error && 'reason' in error ? String(error.reason) : messageOf(error);
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}
