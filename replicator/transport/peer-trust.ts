import { createPublicKey, timingSafeEqual } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import ssh2 from 'ssh2';
import type { Peer } from '#contracts/ipc/replicator.ts';
import { safeText } from '#contracts/safe-text.ts';

const maxName = 80;

/** Who the other side of a connection is. */
export interface Proof {
  /** The public key that it has, SubjectPublicKeyInfo. */
  readonly key: Buffer;
  /** What it calls itself, which proves nothing. Safe to print, and cut when long. */
  readonly name: string;
}

/**
 * What the other side has proved: that TLS checked its signature over this very handshake is all that counts, neither
 * who signed the certificate, nor its dates. null: nothing, since it has no certificate, none that can be read, or goes
 * on with an older session.
 */
export function proofOf(socket: TLSSocket): Proof | null {
  if (socket.isSessionReused()) return null;
  try {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return null;
    const key = certificate.publicKey.export({ type: 'spki', format: 'der' });
    const name = String(certificate.subject).replace(/^CN=/, '');
    return { key, name: safeText(Buffer.from(name), maxName) };
  } catch {
    return null;
  }
}

/** Whether it is the key that etcd names for that host. */
export function isKeyOf(peer: Peer, key: Buffer): boolean {
  const trusted = ssh2.utils.parseKey(peer.publicKey);
  if (trusted instanceof Error) return false;
  const pinned = createPublicKey(trusted.getPublicPEM()).export({ type: 'spki', format: 'der' });
  return pinned.length === key.length && timingSafeEqual(pinned, key);
}
