import { createPublicKey, timingSafeEqual } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import ssh2 from 'ssh2';
import type { Peer } from '#contracts/ipc/replicator.ts';

/**
 * The key that the other side of a connection has proved to have, as SubjectPublicKeyInfo; null when it has none. That
 * TLS checked the signature over this very handshake is all that counts: neither who signed the certificate, nor its
 * names and dates. A resumed session proves nothing anew.
 */
export function provenKey(socket: TLSSocket): Buffer | null {
  if (socket.isSessionReused()) return null;
  return socket.getPeerX509Certificate()?.publicKey.export({ type: 'spki', format: 'der' }) ?? null;
}

/** Whether it is the key that etcd names for that host. */
export function isKeyOf(peer: Peer, key: Buffer): boolean {
  const trusted = ssh2.utils.parseKey(peer.publicKey);
  if (trusted instanceof Error) return false;
  const pinned = createPublicKey(trusted.getPublicPEM()).export({ type: 'spki', format: 'der' });
  return pinned.length === key.length && timingSafeEqual(pinned, key);
}
