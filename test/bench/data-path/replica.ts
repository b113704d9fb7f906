import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { Blocks } from './blocks.ts';
import { FrameCutter, frameKind } from './frames.ts';
import type { Options } from './options.ts';

export const tlsOptions = { minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' } as const;

/** Whole frames on their way to the follower. */
export interface Range {
  /** Of the shared blocks; null: `bytes` is a chunk of its own. */
  readonly block: number | null;
  readonly start: number;
  readonly end: number;
  readonly bytes: Buffer;
}

/** The stream to one follower. */
export interface Replica {
  send(range: Range): void;
  /** Resolves when the follower has flushed the request of this number. */
  flushed(number: number): Promise<void>;
}

class Answers {
  readonly #waiting = new Map<number, () => void>();

  flushed(number: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.set(number, resolve));
  }

  settle(number: number): void {
    this.#waiting.get(number)?.();
    this.#waiting.delete(number);
  }
}

type Connection = Pick<Options, 'folder' | 'followerPort'>;

function connectTo({ folder, followerPort }: Connection, onDone: (number: number) => void) {
  const ca = readFileSync(join(folder, 'tls.crt'));
  const socket = connect({
    ...tlsOptions,
    ca,
    host: '127.0.0.1',
    port: followerPort ?? 0,
    servername: 'peer',
  });
  socket.setNoDelay(true);
  const cutter = new FrameCutter();
  socket.on('data', (chunk) => {
    for (const { kind, number } of cutter.push(chunk)) if (kind === frameKind.done) onDone(number);
  });
  return socket;
}

/** TLS in the thread that orders. */
export class InlineReplica implements Replica {
  readonly #answers = new Answers();
  readonly #blocks: Blocks;
  readonly #socket;

  constructor(connection: Connection, blocks: Blocks) {
    this.#blocks = blocks;
    this.#socket = connectTo(connection, (number) => this.#answers.settle(number));
  }

  send({ block, bytes }: Range): void {
    if (block === null) {
      this.#socket.write(bytes);
      return;
    }
    this.#blocks.use(block);
    this.#socket.write(bytes, () => this.#blocks.release(block));
  }

  flushed(number: number): Promise<void> {
    return this.#answers.flushed(number);
  }
}

/** Block, start and end of each range; or a chunk that is handed over. */
type ToThread = Uint32Array | Uint8Array;
interface FromThread {
  readonly released: number[];
  readonly done: number[];
}

/** TLS in a thread of its own. */
export class ThreadReplica implements Replica {
  readonly #answers = new Answers();
  readonly #blocks: Blocks;
  readonly #thread: Worker;
  #ranges: number[] = [];

  constructor({ folder, followerPort }: Connection, blocks: Blocks) {
    this.#blocks = blocks;
    const data = { folder, followerPort, shared: blocks.shared };
    this.#thread = new Worker(new URL(import.meta.url), { name: 'tls', workerData: data });
    this.#thread.on('message', ({ released, done }: FromThread) => {
      for (const block of released) this.#blocks.release(block);
      for (const number of done) this.#answers.settle(number);
    });
  }

  send({ block, start, end, bytes }: Range): void {
    if (block === null) {
      const { buffer } = bytes;
      const owned = bytes.length > 4096 && bytes.length > buffer.byteLength / 2;
      const chunk = owned ? bytes : new Uint8Array(bytes);
      this.#thread.postMessage(chunk, [chunk.buffer as ArrayBuffer]);
      return;
    }
    this.#blocks.use(block);
    if (this.#ranges.length === 0) queueMicrotask(() => this.#post());
    this.#ranges.push(block, start, end);
  }

  #post(): void {
    this.#thread.postMessage(Uint32Array.from(this.#ranges));
    this.#ranges = [];
  }

  flushed(number: number): Promise<void> {
    return this.#answers.flushed(number);
  }
}

function runThread(port: NonNullable<typeof parentPort>): void {
  const { shared, ...connection } = workerData as Connection & { shared: SharedArrayBuffer[] };
  const blocks = shared.map((block) => Buffer.from(block));
  let answer: FromThread = { released: [], done: [] };
  let isScheduled = false;
  const schedule = () => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(() => {
      isScheduled = false;
      port.postMessage(answer);
      answer = { released: [], done: [] };
    });
  };
  const socket = connectTo(connection, (number) => {
    answer.done.push(number);
    schedule();
  });
  port.on('message', (message: ToThread) => {
    if (message instanceof Uint8Array) {
      socket.write(message);
      return;
    }
    for (let at = 0; at < message.length; at += 3) {
      const block = message[at] ?? 0;
      socket.write(blocks[block]?.subarray(message[at + 1], message[at + 2]) ?? '', () => {
        answer.released.push(block);
        schedule();
      });
    }
  });
}

if (!isMainThread && parentPort !== null && workerData?.shared !== undefined) runThread(parentPort);
