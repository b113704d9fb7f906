import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import type * as z from 'zod';
import { FrameDecoder } from '#contracts/frames.ts';
import { writeGathered } from '../transport/gathered-write.ts';
import {
  type DataFrame,
  decodePeerFrame,
  encodeAlive,
  encodeControl,
  encodeData,
  maxPeerFrameBytes,
  type OperationFrame,
} from './codec.ts';
import { Heartbeat } from './heartbeat.ts';

export type Received<Schema extends z.ZodType> = z.infer<Schema> | OperationFrame | DataFrame;

/** One end of the framed protocol on a connection. It closes by itself when the other end says nothing any more. */
export class PeerChannel<Schema extends z.ZodType, Outgoing extends { readonly type: string }> {
  /** Aborted when the channel is gone; the reason says why. */
  readonly closed: AbortSignal;
  readonly #closing = new AbortController();
  readonly #stream: Duplex;
  readonly #schema: Schema;
  #handle: ((message: Received<Schema>) => void) | null = null;
  readonly #decoder = new FrameDecoder(maxPeerFrameBytes);
  readonly #heartbeat: Heartbeat;

  /** @param now attended time, ms */
  constructor(stream: Duplex, schema: Schema, now: () => number) {
    this.#stream = stream;
    this.#schema = schema;
    this.closed = this.#closing.signal;
    this.#heartbeat = new Heartbeat({
      now,
      beat: () => this.#beat(),
      onSilent: (forMs) => this.close(`the peer has been silent for ${Math.round(forMs)} ms`),
    });
    stream.on('error', (error) => this.close(error.message));
    stream.on('close', () => this.close('the connection ended'));
    stream.on('end', () => this.close('the peer ended the connection'));
  }

  /** Delivers from now on to `handle`. What it throws closes the channel with that sentence. */
  receive(handle: (message: Received<Schema>) => void): void {
    const first = this.#handle === null;
    this.#handle = handle;
    if (!first) return;
    this.#heartbeat.listening();
    this.#stream.on('data', (chunk: Buffer) => this.#onData(chunk));
  }

  #onData(chunk: Buffer): void {
    this.#heartbeat.listening();
    try {
      for (const frame of this.#decoder.push(chunk)) {
        if (this.closed.aborted) return;
        const message = decodePeerFrame(this.#schema, frame);
        if (message !== null) this.#handle?.(message);
      }
    } catch (error) {
      this.close(error instanceof Error ? error.message : String(error));
    }
  }

  /** Returns false when the caller should wait for `drained` before it sends more. */
  send(message: Outgoing): boolean {
    return this.sendParts(encodeControl(message));
  }

  sendData(id: number, offset: number, data: Buffer): boolean {
    return this.sendParts(encodeData(id, offset, data));
  }

  sendParts(parts: readonly Buffer[]): boolean {
    if (this.closed.aborted) return false;
    writeGathered(this.#stream, parts);
    return !this.#stream.writableNeedDrain;
  }

  /** What waits to be sent says as much. */
  #beat(): void {
    if (this.writable) this.sendParts(encodeAlive());
  }

  get writable(): boolean {
    return !this.closed.aborted && !this.#stream.writableNeedDrain;
  }

  /** Calls `proceed` at each moment when more may be sent after `send` returned false. */
  onDrain(proceed: () => void): void {
    this.#stream.on('drain', proceed);
  }

  /** @throws when the channel closes */
  async drained(): Promise<void> {
    this.closed.throwIfAborted();
    if (this.#stream.writableNeedDrain) await once(this.#stream, 'drain', { signal: this.closed });
  }

  /** Back-pressure on the peer. */
  pause(): void {
    this.#heartbeat.deaf();
    this.#stream.pause();
  }

  resume(): void {
    this.#heartbeat.listening();
    this.#stream.resume();
  }

  /** What was sent before still leaves, as far as the peer takes it. */
  close(reason: string): void {
    if (this.closed.aborted) return;
    this.#heartbeat.stop();
    this.#closing.abort(new Error(reason));
    this.#stream.end();
  }
}
