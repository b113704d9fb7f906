import { connect, type Socket } from 'node:net';
import { Writable } from 'node:stream';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import pino from 'pino';
import type { Peer } from '#contracts/ipc/replicator.ts';
import { newKey } from '../../../../replicator/state/new-key.ts';
import { dialPeer } from '../../../../replicator/transport/dialer.ts';
import {
  type ListenerOptions,
  listenForPeers,
  type PeerListener,
} from '../../../../replicator/transport/listener.ts';
import { type TlsOptions, tlsOptions } from '../../../../replicator/transport/tls.ts';

export const keys = { here: newKey('ed25519'), there: newKey('ed25519'), stranger: newKey('ed25519') };
export type KeyName = keyof typeof keys;

/** A peer as etcd has it. */
export function peerOf(nodeId: string, key: KeyName = nodeId as KeyName, port = 0): Peer {
  return { nodeId, address: '127.0.0.1', port, publicKey: keys[key].publicKey, alive: true };
}

export const tlsOf = (key: KeyName, nodeId: string = key) => tlsOptions(keys[key], nodeId);

export interface Channel {
  readonly nodeId: string;
  readonly channel: TLSSocket;
  readonly hangUp: () => void;
}

/** The port of the host "here", whose only peer at first is the host "there". */
export class Port implements Disposable {
  readonly channels: Channel[] = [];
  readonly peers = new Map([['there', peerOf('there')]]);
  readonly #sockets: Socket[] = [];
  #listener: PeerListener | null = null;
  log = '';

  static async listen(options: Partial<ListenerOptions> = {}): Promise<Port> {
    const port = new Port();
    const destination = new Writable({
      write: (chunk: Buffer, _, done) => {
        port.log += chunk.toString();
        done();
      },
    });
    port.#listener = await listenForPeers({
      address: '127.0.0.1',
      port: 0,
      tls: tlsOf('here'),
      log: pino({ level: 'debug' }, destination),
      peers: () => port.peers,
      onChannel: (nodeId, channel, hangUp) =>
        port.channels.push({ nodeId, channel: channel as TLSSocket, hangUp }),
      ...options,
    });
    return port;
  }

  get number(): number {
    return this.#listener?.port ?? 0;
  }

  reviewTrust(): void {
    this.#listener?.reviewTrust();
  }

  close(): void {
    this.#listener?.close();
  }

  /** As a peer does it. */
  async dial(tls: TlsOptions = tlsOf('there'), key: KeyName = 'here', versions?: readonly number[]) {
    const target = peerOf('here', key, this.number);
    const dialed = await dialPeer(target, tls, new AbortController().signal, versions);
    this.#sockets.push(dialed.channel as TLSSocket);
    return dialed;
  }

  /** Connects from an address of loopback and says nothing. */
  connect(localAddress = '127.0.0.1', localPort = 0): Socket {
    return this.#keep(
      connect({ port: this.number, host: '127.0.0.1', localAddress, ...(localPort > 0 && { localPort }) }),
    );
  }

  /** TLS as it is wanted, without the manners of a peer. */
  connectTls(options: ConnectionOptions): TLSSocket {
    return this.#keep(
      connectTls({ host: '127.0.0.1', port: this.number, rejectUnauthorized: false, ...options }),
    );
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
    this.close();
  }

  #keep<Kind extends Socket>(socket: Kind): Kind {
    socket.on('error', () => {});
    this.#sockets.push(socket);
    return socket;
  }
}
