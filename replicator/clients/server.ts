import { chmodSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { type Allowance, defaultAllowance } from '#contracts/engine/limits.ts';
import { HoldfastError } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import { Connection } from './connection.ts';
import type { Engine } from './ports.ts';

/** Processes of doors at a time: workers, and operators' commands. */
const defaultConnections = 32;
const defaultHelloPatienceMs = 5000;
/** Of memory that one connection is read into: more than its credit, since a block is free only as a whole. */
const defaultBlocks = 16;

export interface ClientServerOptions {
  /** In the run folder, whose mode keeps others out: who is at the other end cannot be asked in Node. */
  readonly path: string;
  readonly engine: Engine;
  readonly log: Logger;
  readonly allowance?: Allowance;
  readonly connections?: number;
  /** MiB a connection; at least two. */
  readonly blocks?: number;
  /** A connection that has not said who it is by then ends. */
  readonly helloPatienceMs?: number;
}

/**
 * The unix socket at which doors ask for changes. It listens for the life of the process, and serves the doors of the
 * epoch under which this host leads.
 */
export class ClientServer {
  readonly #options: ClientServerOptions;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #epoch: number | null = null;
  #refusal = '';

  /** @throws HoldfastError REPLICATOR_FAILED */
  static async listen(options: ClientServerOptions): Promise<ClientServer> {
    const { path } = options;
    // A socket is bound with the mode of the umask, which a thread cannot set: it gets its name once nobody else may connect.
    const unready = `${path}.new`;
    rmSync(unready, { force: true });
    const server = new ClientServer(options);
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', (cause) =>
        reject(
          new HoldfastError('REPLICATOR_FAILED', `the clients' socket ${path}: ${cause.message}`, { cause }),
        ),
      );
      server.#server.listen(unready, resolve);
    });
    chmodSync(unready, 0o600);
    renameSync(unready, path);
    return server;
  }

  private constructor(options: ClientServerOptions) {
    this.#options = options;
    this.#server = createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket));
  }

  /** Doors of this epoch are served from now on, those of others sent away. null: all are. */
  lead(epoch: number | null): void {
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    this.#endAll(
      'epoch',
      epoch === null ? 'this engine does not lead any more' : `the epoch is ${epoch} now`,
    );
  }

  /** Doors are told that changes are refused, and why; null: not any more. What the engine refuses is its own matter. */
  refuse(reason: string | null): void {
    if ((reason ?? '') === this.#refusal) return;
    this.#refusal = reason ?? '';
    for (const connection of this.#connections) connection.tellRefusal();
  }

  get connections(): number {
    return this.#connections.size;
  }

  close(): void {
    this.#endAll('stopping', 'the engine stops');
    this.#server.close();
  }

  #endAll(code: 'epoch' | 'stopping', sentence: string): void {
    for (const connection of [...this.#connections]) connection.end(code, sentence);
  }

  #accept(socket: Socket): void {
    const { engine, log, allowance = defaultAllowance, blocks = defaultBlocks } = this.#options;
    const { helloPatienceMs = defaultHelloPatienceMs } = this.#options;
    const connection = new Connection(socket, {
      engine,
      log,
      allowance,
      blocks,
      helloPatienceMs,
      epoch: () => this.#epoch,
      refusal: () => this.#refusal,
      onClosed: (closed) => this.#connections.delete(closed),
    });
    this.#connections.add(connection);
    if (this.#connections.size > (this.#options.connections ?? defaultConnections))
      connection.end('no-room', 'too many doors are connected');
  }
}
