import { type Frame, FrameDecoder } from '#contracts/frames.ts';
import type { FrameChannel } from '../../../../replicator/peers/frame-channel.ts';
import { limits } from '../../../../replicator/peers/limits.ts';

/** One end of a connection in memory. Frames arrive one at a time, when the test says so. */
export class MemoryEnd implements FrameChannel {
  readonly #closing = new AbortController();
  readonly closed = this.#closing.signal;
  readonly #highWater: number;
  readonly #decoder = new FrameDecoder(limits.frame);
  readonly #drains: (() => void)[] = [];
  #handle: ((frame: Frame) => void) | null = null;
  #fail: ((error: unknown) => void) | null = null;
  /** On the way to the other end; null: the end of the stream. */
  readonly sent: (Buffer | null)[] = [];
  sentBytes = 0;
  /** All that was ever sent. */
  frames = 0;
  isPaused = false;
  other: MemoryEnd | null = null;

  constructor(highWater: number) {
    this.#highWater = highWater;
  }

  receive(handle: (frame: Frame) => void, fail: (error: unknown) => void): void {
    this.#handle = handle;
    this.#fail = fail;
  }

  send(parts: readonly Buffer[]): boolean {
    if (this.closed.aborted) return false;
    const bytes = Buffer.concat(parts);
    this.sent.push(bytes);
    this.sentBytes += bytes.length;
    this.frames += 1;
    return this.writable;
  }

  get writable(): boolean {
    return !this.closed.aborted && this.sentBytes < this.#highWater;
  }

  onDrain(proceed: () => void): void {
    this.#drains.push(proceed);
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  close(reason: Error): void {
    if (this.closed.aborted) return;
    this.#closing.abort(reason);
    this.sent.push(null);
  }

  get hasSomething(): boolean {
    return this.sent.length > 0 && this.other?.isPaused === false;
  }

  /** The next frame that this end sent arrives at the other one. */
  deliver(): void {
    const bytes = this.sent.shift();
    const { other } = this;
    if (bytes === undefined || other === null) return;
    if (bytes === null) {
      other.close(new Error('the peer ended the connection'));
      return;
    }
    const wasFull = this.sentBytes >= this.#highWater;
    this.sentBytes -= bytes.length;
    other.take(bytes);
    // Memory of a frame is used again.
    bytes.fill(0xee);
    if (wasFull && this.writable) for (const drain of this.#drains) drain();
  }

  take(bytes: Buffer): void {
    if (this.closed.aborted) return;
    try {
      for (const frame of this.#decoder.push(bytes)) if (!this.closed.aborted) this.#handle?.(frame);
    } catch (error) {
      if (!this.closed.aborted) this.#fail?.(error);
    }
  }

  /** The connection is gone, with what is on its way. */
  cut(): void {
    for (const end of [this, this.other]) {
      end?.close(new Error('cut'));
      end?.sent.splice(0);
    }
  }
}

export function memoryLink(highWater = 64 * 1024): [MemoryEnd, MemoryEnd] {
  const [one, other] = [new MemoryEnd(highWater), new MemoryEnd(highWater)];
  one.other = other;
  other.other = one;
  return [one, other];
}

/** Delivers everything, both ways, until nothing more comes. */
export async function settle(...ends: MemoryEnd[]): Promise<void> {
  for (let quiet = 0; quiet < 4; quiet++) {
    for (const end of ends) {
      while (end.hasSomething) {
        end.deliver();
        quiet = 0;
      }
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
