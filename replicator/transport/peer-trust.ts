import ssh2 from 'ssh2';
import type { Peer } from '#contracts/ipc/replicator.ts';

/** Whether a key (SSH wire format) is the peer's own, and the proof of possession, when there is one, is right. */
export function isKeyOf(
  peer: Peer,
  key: Buffer,
  proof: { signature?: Buffer; blob?: Buffer; hashAlgo?: string } = {},
): boolean {
  const trusted = ssh2.utils.parseKey(peer.publicKey);
  if (trusted instanceof Error || !trusted.getPublicSSH().equals(key)) return false;
  if (proof.signature === undefined) return true;
  return proof.blob !== undefined && trusted.verify(proof.blob, proof.signature, proof.hashAlgo) === true;
}
