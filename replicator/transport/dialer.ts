import type { Duplex } from 'node:stream';
import ssh2 from 'ssh2';
import { HoldfastError } from '#contracts/errors.ts';
import type { Peer } from '#contracts/ipc/replicator.ts';
import { subsystemName } from '../protocol/version.ts';
import type { PeerKey } from '../state/peer-key.ts';
import { peerAlgorithms } from './algorithms.ts';
import { isKeyOf } from './peer-trust.ts';

export interface Dialed {
  readonly channel: Duplex;
  hangUp(): void;
}

/**
 * Connects to a peer and opens the replication channel. The peer's host key must be the one in `peer`.
 * @throws HoldfastError PEER_REFUSED when the key is another; Error when there is no connection; the signal's reason
 */
export async function dialPeer(
  peer: Peer,
  nodeId: string,
  key: PeerKey,
  signal: AbortSignal,
): Promise<Dialed> {
  signal.throwIfAborted();
  const client = new ssh2.Client();
  const hangUp = () => void client.destroy();
  signal.addEventListener('abort', hangUp, { once: true });
  client.on('close', () => signal.removeEventListener('abort', hangUp));
  let refusal: HoldfastError | null = null;
  const channel = new Promise<Duplex>((resolve, reject) => {
    client.on('error', (error) => reject(refusal ?? error));
    client.on('close', () => reject(refusal ?? new Error('the connection ended')));
    client.on('ready', () => {
      client.setNoDelay(true);
      client.subsys(subsystemName, (error, opened) => (error ? reject(error) : resolve(opened)));
    });
  });
  client.connect({
    host: peer.address,
    port: peer.port,
    username: nodeId,
    privateKey: key.privateKey,
    algorithms: peerAlgorithms,
    readyTimeout: 3000,
    keepaliveInterval: 1000,
    keepaliveCountMax: 3,
    hostVerifier: (presented: Buffer) => {
      if (isKeyOf(peer, presented)) return true;
      refusal = new HoldfastError(
        'PEER_REFUSED',
        `${peer.nodeId} at ${peer.address} port ${peer.port} shows a key that is not the one in etcd`,
      );
      return false;
    },
  });
  try {
    return { channel: await channel, hangUp };
  } catch (error) {
    hangUp();
    signal.throwIfAborted();
    throw error;
  }
}
