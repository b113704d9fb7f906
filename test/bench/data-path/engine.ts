/** The engine: one thread gives each frame its place, writes, streams and acknowledges. */
import { createServer, Socket } from 'node:net';
import { join } from 'node:path';
import { Blocks, blockBytes } from './blocks.ts';
import { LaneFlusher, PoolFlusher } from './flusher.ts';
import { type Frame, frameAt, frameKind, head, headBytes } from './frames.ts';
import { Log } from './log.ts';
import { optionsOfProcess } from './options.ts';
import { PayloadThread } from './payload-thread.ts';
import { InlineReplica, type Range, type Replica, ThreadReplica } from './replica.ts';
import { Tree } from './tree.ts';

const options = optionsOfProcess();
const { variant } = options;
const blocks = new Blocks();
const flusher = variant.flush === 'pool' ? new PoolFlusher() : new LaneFlusher(variant.barrierThreads);
const log = new Log(join(options.folder, 'engine.log'), flusher);
const tree = new Tree(options.root, log, flusher, variant);
const payloadThread = variant.write === 'thread' ? new PayloadThread(blocks) : null;
const replica = makeReplica();
/** A new block is begun when a whole frame may not fit any more. */
const roomForFrame = 300 * 1024;

function makeReplica(): Replica | null {
  if (options.followerPort === null) return null;
  return variant.tls === 'inline' ? new InlineReplica(options, blocks) : new ThreadReplica(options, blocks);
}

class Client {
  readonly #socket: Socket;
  #acknowledgedBytes = 0;
  #toldBytes = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => {});
  }

  /** All frames of one read: logged, then made, then streamed, then acknowledged as one. */
  turn(frames: readonly Frame[], range: Range): void {
    for (const frame of frames) log.add(frame);
    log.write();
    this.#apply(frames, range);
    replica?.send(range);
    this.#tell();
  }

  #apply(frames: readonly Frame[], range: Range): void {
    let run: { handle: number; offset: number; bytes: number; payloads: Buffer[] } | null = null;
    const flushRun = () => {
      if (run !== null) this.#write(run.handle, run.offset, run.bytes, run.payloads);
      run = null;
    };
    for (const frame of frames) {
      if (frame.kind === frameKind.write && variant.write === 'inline') {
        const { handle, number: offset, length, payload } = frame;
        const fits: boolean =
          variant.gather && run !== null && run.handle === handle && run.offset + run.bytes === offset;
        if (fits && run !== null) {
          run.bytes += length;
          run.payloads.push(payload);
        } else {
          flushRun();
          run = { handle, offset, bytes: length, payloads: [payload] };
        }
      } else {
        flushRun();
        this.#other(frame, range);
      }
    }
    flushRun();
  }

  #write(handle: number, offset: number, bytes: number, payloads: readonly Buffer[]): void {
    tree.write(handle, offset, payloads, bytes);
    this.#wrote(handle, bytes);
  }

  #wrote(handle: number, bytes: number): void {
    this.#acknowledgedBytes += bytes;
    const behind = tree.isBehind(handle);
    if (behind === null) return;
    this.#socket.pause();
    void behind.then(() => this.#socket.resume());
  }

  #other(frame: Frame, range: Range): void {
    if (frame.kind === frameKind.write) this.#writeElsewhere(frame, range);
    else if (frame.kind === frameKind.close) {
      const { handle, number } = frame;
      void Promise.all([tree.close(handle), replica?.flushed(number)]).then(() => this.#done(number));
    } else void this.#changeName({ ...frame, payload: Buffer.from(frame.payload) });
  }

  #writeElsewhere({ handle, number: offset, length, payload }: Frame, { block, start, bytes }: Range): void {
    if (variant.write === 'worker') {
      const written = payload.readDoubleBE();
      tree.wrote(handle, written);
      this.#wrote(handle, written);
      return;
    }
    if (block !== null) blocks.use(block);
    const at = start + payload.byteOffset - bytes.byteOffset;
    const written =
      payloadThread !== null && block !== null
        ? payloadThread
            .write(tree.descriptor(handle), offset, block, at, length)
            .then(() => tree.wrote(handle, length))
        : tree.writeInPool(handle, offset, payload);
    const done = written.then(() => {
      if (block !== null) blocks.release(block);
      this.#acknowledgedBytes += length;
      this.#tell();
    });
    tree.writing(handle, done);
  }

  async #changeName(frame: Frame): Promise<void> {
    await tree.changeName(frame);
    if (frame.kind === frameKind.mkdir) {
      const parent = join(frame.payload.toString(), '..');
      await Promise.all([tree.flushDirectory(parent), replica?.flushed(frame.number)]);
    }
    this.#done(frame.number);
  }

  #done(number: number): void {
    this.#socket.write(head(frameKind.done, 0, number, 0));
  }

  #tell(): void {
    if (this.#toldBytes === this.#acknowledgedBytes) return;
    this.#toldBytes = this.#acknowledgedBytes;
    this.#socket.write(head(frameKind.acknowledged, 0, this.#acknowledgedBytes, 0));
  }
}

/** The frames that are whole between `start` and `end`, and where the rest begins. */
function wholeFrames(bytes: Buffer, start: number, end: number): { frames: Frame[]; rest: number } {
  const frames: Frame[] = [];
  let rest = start;
  for (let frame = frameAt(bytes, rest, end); frame !== null; frame = frameAt(bytes, rest, end)) {
    frames.push(frame);
    rest += headBytes + frame.length;
  }
  return { frames, rest };
}

/**
 * Reads the socket into shared blocks. Node asks for the buffer of the next read when it has delivered this one, also
 * when it is to pause then: so the next block is always held already, and reading pauses while there is no next one.
 */
function receiveIntoBlocks(accepted: Socket): void {
  let block = blocks.takeFirst();
  let next: number | null = blocks.takeFirst();
  let [start, end] = [0, 0];
  const { _handle: handle } = accepted as unknown as { _handle: object };
  const onread = {
    buffer: () => blocks.buffer(block).subarray(end),
    callback(length: number): boolean {
      end += length;
      const bytes = blocks.buffer(block);
      const { frames, rest } = wholeFrames(bytes, start, end);
      const range = { block, start, end: rest, bytes: bytes.subarray(start, rest) };
      start = rest;
      if (frames.length > 0) client.turn(frames, range);
      if (blockBytes - end < roomForFrame && next !== null) turnOver(next);
      return next !== null;
    },
  };
  const turnOver = (to: number) => {
    blocks.buffer(block).copy(blocks.buffer(to), 0, start, end);
    blocks.release(block);
    [block, start, end] = [to, 0, end - start];
    next = blocks.take();
    if (next === null) blocks.whenFree(resume);
  };
  const resume = () => {
    next = blocks.take();
    if (next === null) blocks.whenFree(resume);
    else socket.resume();
  };
  const socket: Socket = new Socket({ handle, onread } as unknown as ConstructorParameters<typeof Socket>[0]);
  const client = new Client(socket);
  socket.resume();
}

/** Takes the chunks that Node allocates, of at most 64 KiB. */
function receiveChunks(socket: Socket): void {
  const client = new Client(socket);
  let pending: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    const bytes = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    const { frames, rest } = wholeFrames(bytes, 0, bytes.length);
    pending = Buffer.from(bytes.subarray(rest));
    if (frames.length > 0)
      client.turn(frames, { block: null, start: 0, end: rest, bytes: bytes.subarray(0, rest) });
  });
  socket.resume();
}

createServer({ pauseOnConnect: true }, (socket) => {
  if (variant.receive === 'blocks') receiveIntoBlocks(socket);
  else receiveChunks(socket);
}).listen(options.engineSocket, () => process.stdout.write('ready\n'));
