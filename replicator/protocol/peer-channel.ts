import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import type * as z from 'zod';
import { FrameDecoder } from '#contracts/journal/frames.ts';
import {
  type DataFrame,
  decodePeerFrame,
  encodeControl,
  encodeData,
  maxPeerFrameBytes,
  type OperationFrame,
} from './codec.ts';

/** Parts shorter than this share a packet; longer ones are not worth a copy. */
const copiedBytes = 16 * 1024;

export type Received<Schema extends z.ZodType> = z.infer<Schema> | OperationFrame | DataFrame;

/** One end of the framed protocol over an SSH channel. */
export class PeerChannel<Schema extends z.ZodType, Outgoing extends { readonly type: string }> {
  /** Aborted when the channel is gone; the reason says why. */
  readonly closed: AbortSignal;
  readonly #closing = new AbortController();
  readonly #stream: Duplex;
  readonly #schema: Schema;
  #handle: ((message: Received<Schema>) => void) | null = null;
  readonly #decoder = new FrameDecoder(maxPeerFrameBytes);

  constructor(stream: Duplex, schema: Schema) {
    this.#stream = stream;
    this.#schema = schema;
    this.closed = this.#closing.signal;
    stream.on('error', (error) => this.close(error.message));
    stream.on('close', () => this.close('the connection ended'));
    stream.on('end', () => this.close('the peer ended the connection'));
  }

  /** Delivers from now on to `handle`. What it throws closes the channel with that sentence. */
  receive(handle: (message: Received<Schema>) => void): void {
    const first = this.#handle === null;
    this.#handle = handle;
    if (first) this.#stream.on('data', (chunk: Buffer) => this.#onData(chunk));
  }

  #onData(chunk: Buffer): void {
    try {
      for (const frame of this.#decoder.push(chunk)) {
        if (this.closed.aborted) return;
        this.#handle?.(decodePeerFrame(this.#schema, frame));
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
    let small: Buffer[] = [];
    const writeSmall = () => {
      if (small.length > 0) this.#stream.write(Buffer.concat(small));
      small = [];
    };
    for (const part of parts) {
      if (part.length < copiedBytes) small.push(part);
      else {
        writeSmall();
        this.#stream.write(part);
      }
    }
    writeSmall();
    return !this.#stream.writableNeedDrain;
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
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** What was sent before still leaves, as far as the peer takes it. */
  close(reason: string): void {
    if (this.closed.aborted) return;
    this.#closing.abort(new Error(reason));
    this.#stream.end();
  }
}
