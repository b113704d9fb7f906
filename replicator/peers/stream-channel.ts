import type { Duplex } from 'node:stream';
import { encodeFrameWithin, type Frame, FrameDecoder } from '#contracts/frames.ts';
import { writeGathered } from '../transport/gathered-write.ts';
import type { Incoming } from '../transport/incoming.ts';
import { frameType } from './codec.ts';
import type { FrameChannel } from './frame-channel.ts';
import { Heartbeat } from './heartbeat.ts';
import { limits } from './limits.ts';

/** Frames on a byte stream, as TLS gives it. It closes by itself when the other end says nothing any more. */
export class StreamChannel implements FrameChannel {
  readonly closed: AbortSignal;
  readonly #closing = new AbortController();
  readonly #stream: Duplex;
  readonly #incoming: Incoming | null;
  readonly #decoder: FrameDecoder;
  readonly #heartbeat: Heartbeat;

  /**
   * @param now attended time, ms
   * @param incoming where what comes is read, if not from the stream: then frames are good until their handler returns
   */
  constructor(stream: Duplex, now: () => number, incoming: Incoming | null = null) {
    this.#stream = stream;
    this.#incoming = incoming;
    this.#decoder = new FrameDecoder(limits.frame, { usesMemoryAgain: incoming !== null });
    this.closed = this.#closing.signal;
    this.#heartbeat = new Heartbeat({
      now,
      // What waits to be sent says as much.
      beat: () =>
        this.writable && this.send(encodeFrameWithin(limits.frame, frameType.alive, Buffer.alloc(0))),
      onSilent: (forMs) => this.close(new Error(`the peer has been silent for ${Math.round(forMs)} ms`)),
    });
    stream.on('error', (error) => this.close(error));
    stream.on('close', () => this.close(new Error('the connection ended')));
    stream.on('end', () => this.close(new Error('the peer ended the connection')));
  }

  receive(handle: (frame: Frame) => void, fail: (error: unknown) => void): void {
    this.#heartbeat.listening();
    const onChunk = (chunk: Buffer) => {
      this.#heartbeat.listening();
      try {
        for (const frame of this.#decoder.push(chunk)) {
          if (this.closed.aborted) return;
          handle(frame);
        }
      } catch (error) {
        if (!this.closed.aborted) fail(error);
      }
    };
    if (this.#incoming === null) this.#stream.on('data', onChunk);
    else this.#incoming.listen(onChunk);
  }

  send(parts: readonly Buffer[]): boolean {
    if (this.closed.aborted) return false;
    writeGathered(this.#stream, parts);
    return this.writable;
  }

  get writable(): boolean {
    return !this.closed.aborted && !this.#stream.writableNeedDrain;
  }

  onDrain(proceed: () => void): void {
    this.#stream.on('drain', proceed);
  }

  pause(): void {
    this.#heartbeat.deaf();
    this.#stream.pause();
  }

  resume(): void {
    this.#heartbeat.listening();
    this.#stream.resume();
  }

  close(reason: Error): void {
    if (this.closed.aborted) return;
    this.#heartbeat.stop();
    this.#closing.abort(reason);
    this.#stream.end();
  }
}
