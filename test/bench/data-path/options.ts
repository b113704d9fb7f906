/** What a process of the prototype is told, as JSON in its first argument. */
export interface Options {
  readonly folder: string;
  readonly root: string;
  readonly engineSocket: string;
  /** Of the follower; null: none. */
  readonly followerPort: number | null;
  /** Of the SFTP worker. */
  readonly port: number;
  readonly worker: number;
  readonly variant: Variant;
}

/** What is compared. The first of each is what the engine is to be built with. */
export interface Variant {
  /** The engine's unix socket: into shared blocks of our own, or the chunks that Node allocates. */
  readonly receive: 'blocks' | 'chunks';
  /** Who writes the payload: the thread that orders, a thread of its own, libuv's pool, or the SFTP worker itself. */
  readonly write: 'inline' | 'thread' | 'pool' | 'worker';
  /** Contiguous WRITEs of one turn in one pwritev. */
  readonly gather: boolean;
  /** Who encrypts for the follower: a thread that reads the shared blocks, one that is handed the chunks, or the ordering thread. */
  readonly tls: 'shared' | 'transfer' | 'inline';
  /** The follower: TLS in the thread that orders and writes, or in one of its own. */
  readonly followerTls: 'inline' | 'thread';
  /** Who flushes: libuv's pool, or threads of our own, a lane each for the log, barriers and what goes behind. */
  readonly flush: 'pool' | 'lanes';
  /** Of the lane for barriers. */
  readonly barrierThreads: number;
  /** A frame to the engine holds at most this. 0: each piece that ssh2 delivers is a frame. */
  readonly frameBytes: number;
  /** Bytes of writes that a worker has under way: a CLOSE of another session waits behind them in the same socket. */
  readonly creditBytes: number;
  /** Unflushed bytes of one file after which a flush goes behind; 0: none until CLOSE. */
  readonly flushBehindBytes: number;
  /** Of the client's SSH socket; null: as Node does it. */
  readonly sshReadBytes: number | null;
  /** The log holds flushed activation records (P1). */
  readonly activation: boolean;
}

export const chosen: Variant = {
  receive: 'blocks',
  write: 'inline',
  gather: true,
  tls: 'shared',
  followerTls: 'inline',
  flush: 'pool',
  barrierThreads: 8,
  frameBytes: 256 * 1024,
  creditBytes: 512 * 1024,
  flushBehindBytes: 8 * 1024 * 1024,
  sshReadBytes: null,
  activation: true,
};

export function optionsOfProcess(): Options {
  return JSON.parse(process.argv[2] ?? '');
}
