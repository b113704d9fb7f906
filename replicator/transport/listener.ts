import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import ssh2 from 'ssh2';
import { Arrivals } from '#contracts/arrivals.ts';
import { type Place, type PlaceRules, plainAddress } from '#contracts/connection-places.ts';
import { codeOf, HoldfastError, messageOf } from '#contracts/errors.ts';
import type { Peer } from '#contracts/ipc/replicator.ts';
import { deadline } from '#contracts/lateness.ts';
import type { Logger } from '#contracts/log.ts';
import { NewConnections } from '#contracts/new-connections.ts';
import { subsystemName } from '../protocol/version.ts';
import type { PeerKey } from '../state/peer-key.ts';
import { peerAlgorithms } from './algorithms.ts';
import { isKeyOf } from './peer-trust.ts';

/** Logged in or not: more than the hosts of any cluster need, so that nobody can use up the process. */
const maxConnections = 256;
/** Peers connect now and then: few connections are on their way to a login at a time. */
const defaultRules: PlaceRules = { begin: 32, ratePercent: 30, full: 64, perSource: 8, kept: 64 };
const defaultLoginTimeoutMs = 10_000;

export interface PeerListener {
  readonly port: number;
  /** Ends the connections of peers that are not trusted (with that key) any more. */
  reviewTrust(): void;
  close(): void;
}

export interface ListenerOptions {
  readonly address: string;
  readonly port: number;
  readonly key: PeerKey;
  readonly log: Logger;
  readonly peer: (nodeId: string) => Peer | undefined;
  /** Whether a peer is reached at this address, so that places are kept for it. */
  readonly isPeerAddress: (address: string) => boolean;
  readonly rules?: PlaceRules;
  readonly loginTimeoutMs?: number;
  /** A trusted peer opened the replication channel; `hangUp` ends its connection. */
  readonly onChannel: (nodeId: string, channel: Duplex, hangUp: () => void) => void;
}

/**
 * The SSH server for peers. Only keys of the `peers` message get in, each under its own host's name, and only to
 * the replication subsystem.
 * @throws HoldfastError PORT_IN_USE, PORT_FORBIDDEN, REPLICATOR_FAILED
 */
export async function listenForPeers(options: ListenerOptions): Promise<PeerListener> {
  const connections = new Map<ssh2.Connection, { nodeId: string; publicKey: string }>();
  const ssh = new ssh2.Server(
    {
      hostKeys: [options.key.privateKey],
      algorithms: peerAlgorithms,
      keepaliveInterval: 1000,
      keepaliveCountMax: 3,
    },
    (connection, { ip, port }) => {
      const arrival = arrivals.take(ip, port);
      if (arrival === undefined) connection.on('error', () => {}).end();
      else serve(connection, arrival, options, connections);
    },
  );
  const arrivals = new Arrivals<Arrival>();
  const newcomers = new NewConnections(options.rules ?? defaultRules, options.log, (address) => {
    const plain = plainAddress(address);
    return options.isPeerAddress(plain) ? plain : null;
  });
  const server = createServer({ noDelay: true }, (socket: Socket) => {
    const place = newcomers.admit(socket);
    if (place === null) return;
    arrivals.add(socket, arrivalOf(socket, place, options));
    ssh.injectSocket(socket);
  });
  server.maxConnections = maxConnections;
  await listening(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    reviewTrust() {
      for (const [connection, { nodeId, publicKey }] of connections) {
        if (options.peer(nodeId)?.publicKey !== publicKey) connection.end();
      }
    },
    close() {
      server.close();
      for (const connection of connections.keys()) connection.end();
    },
  };
}

function serve(
  connection: ssh2.Connection,
  arrival: Arrival,
  { peer, log, onChannel }: ListenerOptions,
  connections: Map<ssh2.Connection, { nodeId: string; publicKey: string }>,
): void {
  let nodeId = '';
  connection.on('error', (error) => log.debug({ nodeId, reason: error.message }, 'peer connection failed'));
  connection.on('close', () => connections.delete(connection));
  connection.on('authentication', (context) => {
    if (context.method !== 'publickey') return context.reject(['publickey']);
    const trusted = peer(context.username);
    if (trusted === undefined || !isKeyOf(trusted, context.key.data, context)) {
      const message = `a peer that calls itself "${context.username}" was refused: its key is not the one in etcd`;
      log.warn({ code: 'PEER_REFUSED' }, message);
      return context.reject(['publickey']);
    }
    if (context.signature !== undefined) nodeId = trusted.nodeId;
    connections.set(connection, { nodeId: trusted.nodeId, publicKey: trusted.publicKey });
    context.accept();
  });
  connection.on('ready', () => arrival.loggedIn());
  connection.on('session', (accept) => {
    accept().on('subsystem', (acceptChannel, reject, info) => {
      if (info.name !== subsystemName || nodeId === '') return reject();
      onChannel(nodeId, acceptChannel(), () => connection.end());
    });
  });
}

/** A connection that has not logged in: it has a place, and a deadline that began when it was accepted. */
interface Arrival {
  loggedIn(): void;
}

function arrivalOf(socket: Socket, place: Place, { loginTimeoutMs, log }: ListenerOptions): Arrival {
  const address = plainAddress(socket.remoteAddress ?? '');
  socket.on('error', (error) => log.debug({ address, reason: error.message }, 'a socket failed'));
  const cancelDeadline = deadline(loginTimeoutMs ?? defaultLoginTimeoutMs, () => socket.destroy());
  socket.once('close', cancelDeadline);
  return {
    loggedIn() {
      cancelDeadline();
      place.release();
    },
  };
}

async function listening(server: Server, { address, port, log }: ListenerOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const code = codeOf(cause);
      const name = `${address} port ${port}`;
      if (code === 'EADDRINUSE')
        reject(new HoldfastError('PORT_IN_USE', `${name} is taken by another program`, { cause }));
      else if (code === 'EACCES')
        reject(new HoldfastError('PORT_FORBIDDEN', `${name} may not be used`, { cause }));
      else reject(new HoldfastError('REPLICATOR_FAILED', `${name}: ${messageOf(cause)}`, { cause }));
    });
    server.listen(port, address, resolve);
  });
  server.removeAllListeners('error');
  // A connection that could not be taken, for want of descriptors or memory: those that are here go on.
  server.on('error', (error) =>
    log.error({ code: 'REPLICATOR_FAILED', reason: error.message }, 'a peer was not taken'),
  );
}
