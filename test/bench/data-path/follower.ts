/** The follower: takes the stream in order, by the same log and the same apply path. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServer, type TLSSocket } from 'node:tls';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { LaneFlusher, PoolFlusher } from './flusher.ts';
import { type Frame, FrameCutter, frameKind, head } from './frames.ts';
import { Log } from './log.ts';
import { type Options, optionsOfProcess } from './options.ts';
import { tlsOptions } from './replica.ts';
import { Tree } from './tree.ts';

function listen({ folder, followerPort }: Options, onSocket: (socket: TLSSocket) => void): void {
  const file = (name: string) => readFileSync(join(folder, name));
  createServer({ ...tlsOptions, cert: file('tls.crt'), key: file('tls.key') }, (socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => {});
    onSocket(socket);
  }).listen(followerPort ?? 0, '127.0.0.1', () => process.stdout.write('ready\n'));
}

/** Makes the frames one after the other; barriers are flushed side by side and answered as they end. */
class Follower {
  readonly #cutter = new FrameCutter();
  readonly #log: Log;
  readonly #tree: Tree;
  readonly #answer: (frame: Buffer) => void;
  #waiting: Frame[] | null = null;

  constructor({ folder, root, variant }: Options, answer: (frame: Buffer) => void) {
    const flusher = variant.flush === 'pool' ? new PoolFlusher() : new LaneFlusher(variant.barrierThreads);
    this.#log = new Log(join(folder, 'follower.log'), flusher);
    this.#tree = new Tree(root, this.#log, flusher, variant);
    this.#answer = answer;
  }

  receive(chunk: Buffer): void {
    const frames = [...this.#cutter.push(chunk)];
    for (const frame of frames) this.#log.add(frame);
    this.#log.write();
    for (const frame of frames) {
      if (this.#waiting === null) this.#make(frame);
      else this.#waiting.push(frame);
    }
  }

  #make(frame: Frame): void {
    const { kind, handle, number, length, payload } = frame;
    if (kind === frameKind.write) this.#tree.write(handle, number, [payload], length);
    else if (kind === frameKind.close) void this.#tree.close(handle).then(() => this.#done(number));
    else this.#changeName(frame);
  }

  /** A directory that is not active yet holds up what comes behind. */
  #changeName(frame: Frame): void {
    this.#waiting = [];
    void this.#tree.changeName(frame).then(() => {
      if (frame.kind === frameKind.mkdir) {
        const parent = join(frame.payload.toString(), '..');
        void this.#tree.flushDirectory(parent).then(() => this.#done(frame.number));
      }
      const frames = this.#waiting ?? [];
      this.#waiting = null;
      for (const [index, waiting] of frames.entries()) {
        if (this.#waiting !== null) (this.#waiting as Frame[]).push(...frames.slice(index));
        if (this.#waiting !== null) break;
        this.#make(waiting);
      }
    });
  }

  #done(number: number): void {
    this.#answer(head(frameKind.done, 0, number, 0));
  }
}

function runThread(port: NonNullable<typeof parentPort>, options: Options): void {
  listen(options, (socket) => {
    socket.on('data', (chunk: Buffer) => {
      const owned = chunk.length > chunk.buffer.byteLength / 2 ? chunk : new Uint8Array(chunk);
      port.postMessage(owned, [owned.buffer as ArrayBuffer]);
    });
    port.on('message', (frame: Uint8Array) => socket.write(frame));
  });
}

if (isMainThread) {
  const options = optionsOfProcess();
  if (options.variant.followerTls === 'inline') {
    listen(options, (socket) => {
      const follower = new Follower(options, (frame) => socket.write(frame));
      socket.on('data', (chunk) => follower.receive(chunk));
    });
  } else {
    const thread = new Worker(new URL(import.meta.url), { name: 'tls', workerData: { follower: options } });
    const follower = new Follower(options, (frame) => thread.postMessage(new Uint8Array(frame)));
    thread.on('message', (chunk: Uint8Array) =>
      follower.receive(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)),
    );
  }
} else if (parentPort !== null && workerData?.follower !== undefined) {
  runThread(parentPort, workerData.follower);
}
