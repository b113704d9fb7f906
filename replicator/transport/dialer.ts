import type { Duplex } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import { HoldfastError } from '#contracts/errors.ts';
import type { Peer } from '#contracts/ipc/replicator.ts';
import { deadline } from '#contracts/lateness.ts';
import { readGreeting } from './greeting.ts';
import { Incoming } from './incoming.ts';
import { isKeyOf, proofOf } from './peer-trust.ts';
import { type TlsOptions, tlsProblem, tuneSocket } from './tls.ts';
import { offeredProtocols, spokenVersions } from './version.ts';

const timeoutMs = 3000;

export interface Dialed {
  /** To write to. */
  readonly channel: Duplex;
  readonly incoming: Incoming;
  hangUp(): void;
}

/**
 * Connects to a peer. Its key must be the one in `peer`: nothing is sent to it or read of it before that is known.
 * Resolves when the peer, too, has accepted this host.
 *
 * @throws HoldfastError PEER_REFUSED when one of the keys is another, PEER_PROTOCOL when the two releases have no version
 *   in common; Error when there is no connection; the signal's reason
 */
export async function dialPeer(
  peer: Peer,
  tls: TlsOptions,
  signal: AbortSignal,
  versions = spokenVersions,
): Promise<Dialed> {
  signal.throwIfAborted();
  const incoming = new Incoming();
  const options = {
    ...tls,
    host: peer.address,
    port: peer.port,
    // No authority vouches for peers: whose key it is is looked at below.
    rejectUnauthorized: false,
    ALPNProtocols: offeredProtocols(versions),
    onread: incoming.onread,
  };
  const socket = connect(options);
  const hangUp = () => void socket.destroy();
  signal.addEventListener('abort', hangUp, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', hangUp));
  socket.once('connect', () => tuneSocket(socket));
  const giveUp = () => socket.destroy(new Error(`no answer within ${timeoutMs} ms`));
  const cancelDeadline = deadline(timeoutMs, giveUp);
  try {
    await Promise.race([logIn({ socket, incoming }, peer, versions), ended(socket)]);
    return { channel: socket, incoming, hangUp };
  } catch (error) {
    hangUp();
    signal.throwIfAborted();
    throw explained(error, peer);
  } finally {
    cancelDeadline();
  }
}

async function logIn(
  { socket, incoming }: { readonly socket: TLSSocket; readonly incoming: Incoming },
  peer: Peer,
  versions: readonly number[],
): Promise<void> {
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  const proof = proofOf(socket);
  if (proof === null || !isKeyOf(peer, proof.key)) {
    throw new HoldfastError('PEER_REFUSED', `${nameOf(peer)} shows a key that is not the one in etcd`);
  }
  const greeting = await readGreeting(incoming);
  if (greeting.type === 'accepted') return;
  const ours = greeting.code === 'PEER_PROTOCOL' ? `, this host in ${versions.join(', ')}` : '';
  throw new HoldfastError(greeting.code, `${nameOf(peer)} refused this host: ${greeting.message}${ours}`);
}

/** Rejects when the connection is over. */
function ended(socket: TLSSocket): Promise<never> {
  return new Promise((_, reject) => {
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the connection ended')));
  });
}

/** The two ends do not get on: one of them speaks no TLS 1.3, or nothing of Holdfast. */
function explained(error: unknown, peer: Peer): unknown {
  const problem = tlsProblem(error);
  if (problem === null) return error;
  const what = `${nameOf(peer)} does not speak the replication protocol of this release: ${problem}`;
  return new HoldfastError('PEER_PROTOCOL', what, { cause: error });
}

function nameOf({ nodeId, address, port }: Peer): string {
  return `${nodeId} at ${address} port ${port}`;
}
