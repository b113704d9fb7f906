import type { TLSSocket } from 'node:tls';
import type { Peer } from '#contracts/ipc/replicator.ts';
import { isKeyOf, type Proof, proofOf } from './peer-trust.ts';
import { selectedVersion } from './version.ts';

export interface Refusal {
  readonly code: 'PEER_REFUSED' | 'PEER_PROTOCOL';
  /** For the log of this host. */
  readonly why: string;
  /** For that of the other one, which knows its own part. */
  readonly told: string;
}

/** Whether who has shaken hands is let in, as which peer. Reads nothing of the connection. */
export function judge(
  socket: TLSSocket,
  address: string,
  peers: ReadonlyMap<string, Peer>,
  versions: readonly number[],
): { readonly peer: Peer } | Refusal {
  const proof = proofOf(socket);
  const peer = proof === null ? undefined : peerWith(proof, peers);
  if (peer === undefined) {
    const who = `a peer at ${address} that calls itself "${proof?.name ?? ''}"`;
    const why = `${who} was refused: its key is not one in etcd`;
    return { code: 'PEER_REFUSED', why, told: 'the key of this host is not one in etcd' };
  }
  const selected = selectedVersion(socket.alpnProtocol);
  if (typeof selected === 'number') return { peer };
  const theirs = `${peer.nodeId} was refused: it speaks the replication protocol in version ${selected}`;
  const ours = versions.join(', ');
  return {
    code: 'PEER_PROTOCOL',
    why: `${theirs}, this host in ${ours}`,
    told: `it speaks the replication protocol in version ${ours}`,
  };
}

/** Hosts that share a key, as copies of one machine do, are told apart by the name that they give. */
function peerWith({ key, name }: Proof, peers: ReadonlyMap<string, Peer>): Peer | undefined {
  const having = [...peers.values()].filter((peer) => isKeyOf(peer, key));
  return having.find(({ nodeId }) => nodeId === name) ?? having[0];
}
