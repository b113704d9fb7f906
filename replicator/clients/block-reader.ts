import { Socket } from 'node:net';
import type { Frame } from '#contracts/frames.ts';
import { type Block, type BlockPool, blockBytes } from './block.ts';
import { cutFrames } from './frame-cutter.ts';

/** With less room than that behind what is there, it is made. */
const leastRoomBytes = 64 * 1024;

/** What came with one read. */
export interface Arrival {
  readonly frames: readonly Frame[];
  /** Where the frames lie; whoever needs them longer than this call uses it. */
  readonly block: Block;
}

/**
 * Reads a socket into blocks and hands on the whole frames of each read. What was handed on is overwritten as soon as
 * nobody uses the block; as long as somebody does, reading goes on in the next one.
 *
 * Node asks for the buffer of the next read when it has delivered this one, also when it is to pause then. So the block
 * after this one is always taken already, and reading pauses while there is none.
 */
export class BlockReader {
  readonly #pool: BlockPool;
  readonly #onArrival: (arrival: Arrival) => void;
  readonly #isHeld: () => boolean;
  #block: Block;
  #next: Block | null;
  #start = 0;
  #end = 0;
  #isReleased = false;
  #discarded: Buffer | null = null;
  readonly socket: Socket;

  /**
   * @param accepted by a server with `pauseOnConnect`; its handle moves to `socket`
   * @param isHeld whether reading is to pause for another reason; `look` reads on
   * @param onBroken told what `onArrival` throws, and FormatErrors of frames out of bounds; the socket is to be ended
   */
  constructor(
    accepted: Socket,
    parts: {
      readonly pool: BlockPool;
      readonly onArrival: (arrival: Arrival) => void;
      readonly isHeld: () => boolean;
      readonly onBroken: (error: unknown) => void;
    },
  ) {
    this.#pool = parts.pool;
    this.#onArrival = parts.onArrival;
    this.#isHeld = parts.isHeld;
    const first = this.#pool.take();
    if (first === null) throw new Error('a pool without blocks');
    this.#block = first;
    this.#next = this.#pool.take();
    this.#pool.onFree = () => this.look();
    // A server has no option for it, so the new socket is built around the handle of the accepted one.
    const { _handle: handle } = accepted as unknown as { _handle: object };
    const onread = {
      buffer: () => this.#discarded ?? this.#block.bytes.subarray(this.#end),
      callback: (length: number): boolean => {
        if (this.#discarded !== null) return true;
        try {
          this.#received(length);
        } catch (error) {
          parts.onBroken(error);
        }
        return this.#mayRead;
      },
    };
    this.socket = new Socket({ handle, onread } as unknown as ConstructorParameters<typeof Socket>[0]);
  }

  /** Reads on when nothing stands against it any more. */
  look(): void {
    if (this.#isReleased || this.#discarded !== null) return;
    this.#next ??= this.#pool.take();
    if (this.#mayRead && !this.socket.destroyed) this.socket.resume();
  }

  /** What still comes is passed over: until it is read, the other side does not read its last word. */
  discard(): void {
    this.#discarded ??= Buffer.allocUnsafeSlow(leastRoomBytes);
    this.socket.resume();
  }

  /** The socket is closed: nothing more is read. */
  release(): void {
    this.#isReleased = true;
    this.#block.release();
    this.#next?.release();
    this.#next = null;
  }

  get #mayRead(): boolean {
    return this.#discarded !== null || (this.#next !== null && !this.#isHeld());
  }

  #received(length: number): void {
    this.#end += length;
    const { frames, rest, needed } = cutFrames(this.#block.bytes, this.#start, this.#end);
    this.#start = rest;
    if (frames.length > 0) this.#onArrival({ frames, block: this.#block });
    this.#makeRoom(needed);
  }

  #makeRoom(needed: number): void {
    if (this.#block.isUsedOnce && this.#start === this.#end) {
      this.#start = 0;
      this.#end = 0;
      return;
    }
    const fits = this.#start + needed <= blockBytes && this.#end + leastRoomBytes <= blockBytes;
    if (fits) return;
    const from = this.#block;
    if (!from.isUsedOnce) this.#turnOver();
    from.bytes.copy(this.#block.bytes, 0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
    if (from !== this.#block) from.release();
  }

  #turnOver(): void {
    if (this.#next === null) throw new Error('it was read without a next block');
    this.#block = this.#next;
    this.#next = this.#pool.take();
  }
}
