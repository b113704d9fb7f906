import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { Arrivals } from '#contracts/arrivals.ts';
import { type Place, type PlaceRules, plainAddress } from '#contracts/connection-places.ts';
import { codeOf, HoldfastError, messageOf } from '#contracts/errors.ts';
import type { Peer } from '#contracts/ipc/replicator.ts';
import { deadline } from '#contracts/lateness.ts';
import type { Logger } from '#contracts/log.ts';
import { NewConnections } from '#contracts/new-connections.ts';
import { encodeGreeting } from './greeting.ts';
import { judge } from './judge.ts';
import { RefusalLog } from './refusal-log.ts';
import { type TlsOptions, tlsProblem, tuneSocket } from './tls.ts';
import { selectProtocol, spokenVersions } from './version.ts';

/** Logged in or not: more than the hosts of any cluster need, so that nobody can use up the process. */
const maxConnections = 256;
/** Peers connect now and then: few connections are on their way to a login at a time. */
const defaultRules: PlaceRules = { begin: 32, ratePercent: 30, full: 64, perSource: 8, kept: 64 };
const defaultLoginTimeoutMs = 10_000;
/** What was sent to a peer that is hung up on may still leave, for so long. */
const lingerMs = 3000;

export interface PeerListener {
  readonly port: number;
  /** Ends the connections of peers that are not trusted (with that key) any more. */
  reviewTrust(): void;
  close(): void;
}

export interface ListenerOptions {
  readonly address: string;
  readonly port: number;
  readonly tls: TlsOptions;
  readonly log: Logger;
  /** Who may connect, by name. Places are kept for their addresses. */
  readonly peers: () => ReadonlyMap<string, Peer>;
  readonly versions?: readonly number[];
  readonly rules?: PlaceRules;
  readonly loginTimeoutMs?: number;
  /** A trusted peer has connected; `hangUp` ends its connection. */
  readonly onChannel: (nodeId: string, channel: Duplex, hangUp: () => void) => void;
}

/**
 * The TLS server for peers: lets in who has the key of a peer, as that peer. Nothing is read of a connection before.
 * @throws HoldfastError PORT_IN_USE, PORT_FORBIDDEN, REPLICATOR_FAILED
 */
export async function listenForPeers(options: ListenerOptions): Promise<PeerListener> {
  const { peers, log } = options;
  const guests: Guests = new Map();
  const arrivals = new Arrivals<Arrival>();
  const tls = tlsServer(options, arrivals, guests);
  const newcomers = new NewConnections(options.rules ?? defaultRules, log, (address) => {
    const plain = plainAddress(address);
    return isPeerAddress(plain, peers()) ? plain : null;
  });
  const server = createServer((socket: Socket) => {
    const place = newcomers.admit(socket);
    if (place === null) return;
    tuneSocket(socket);
    arrivals.add(socket, arrivalOf(socket, place, options));
    tls.emit('connection', socket);
  });
  server.maxConnections = maxConnections;
  await listening(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    reviewTrust() {
      for (const [socket, { nodeId, publicKey }] of guests) {
        if (peers().get(nodeId)?.publicKey !== publicKey) socket.destroy();
      }
    },
    close() {
      server.close();
      arrivals.destroy();
      for (const socket of guests.keys()) hangUp(socket);
    },
  };
}

/** The peers that are connected, as they were trusted. */
type Guests = Map<TLSSocket, Peer>;

/** Does not listen: it is handed the connections that have a place. */
function tlsServer(options: ListenerOptions, arrivals: Arrivals<Arrival>, guests: Guests): TlsServer {
  const { tls, log, peers, versions = spokenVersions } = options;
  const refusals = new RefusalLog(log);
  const server = createTlsServer({
    ...tls,
    requestCert: true,
    // No authority vouches for peers: whose key it is is looked at in `judge`.
    rejectUnauthorized: false,
    ALPNCallback: ({ protocols }) => selectProtocol(versions, protocols),
  });
  server.on('secureConnection', (socket) => {
    const arrival = arrivals.take(socket.remoteAddress ?? '', socket.remotePort ?? 0);
    if (arrival === undefined) socket.destroy();
    else receive(socket, arrival, options, guests, refusals);
  });
  server.on('tlsClientError', (error, socket) => {
    const address = plainAddress(socket.remoteAddress ?? '');
    const problem = tlsProblem(error);
    if (problem === null || !isPeerAddress(address, peers())) {
      log.debug({ address, reason: problem ?? error.message }, 'a connection came to no login');
      return;
    }
    const what = 'where a peer is, does not speak the replication protocol of this release';
    const fields = { code: 'PEER_PROTOCOL', reason: problem };
    refusals.tell(address, fields, `who connects from ${address}, ${what}`);
  });
  return server;
}

/** A connection whose other side has proved to have a key, if it has one. */
function receive(
  socket: TLSSocket,
  arrival: Arrival,
  options: ListenerOptions,
  guests: Guests,
  refusals: RefusalLog,
): void {
  const address = plainAddress(socket.remoteAddress ?? '');
  const { peers, versions = spokenVersions, log, onChannel } = options;
  const judged = judge(socket, address, peers(), versions);
  const nodeId = 'peer' in judged ? judged.peer.nodeId : '';
  socket.on('error', (error) => log.debug({ nodeId, address, reason: error.message }, 'a connection failed'));
  if ('code' in judged) {
    refusals.tell(address, { code: judged.code }, judged.why);
    socket.write(encodeGreeting({ type: 'refused', code: judged.code, message: judged.told }));
    socket.destroySoon();
    return;
  }
  guests.set(socket, judged.peer);
  socket.once('close', () => guests.delete(socket));
  arrival.loggedIn();
  socket.write(encodeGreeting({ type: 'accepted' }));
  onChannel(nodeId, socket, () => hangUp(socket));
}

function isPeerAddress(address: string, peers: ReadonlyMap<string, Peer>): boolean {
  return [...peers.values()].some((peer) => plainAddress(peer.address) === address);
}

function hangUp(socket: TLSSocket): void {
  socket.destroySoon();
  socket.once(
    'close',
    deadline(lingerMs, () => socket.destroy()),
  );
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
