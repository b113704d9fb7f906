import { connect, type Socket } from 'node:net';
import { decodeFromEngine } from '#contracts/engine/from-engine.ts';
import { maxAnswerFrameBytes } from '#contracts/engine/limits.ts';
import type { FromEngine, ToEngine } from '#contracts/engine/message.ts';
import { encodeToEngine } from '#contracts/engine/to-engine.ts';
import { messageOf } from '#contracts/errors.ts';
import { FrameDecoder } from '#contracts/frames.ts';
import type { Logger } from '#contracts/log.ts';

/** One life of the socket to the engine: frames out, messages in. */
export class Connection {
  readonly #socket: Socket;
  #isCorked = false;

  constructor(options: {
    readonly path: string;
    readonly log: Logger;
    readonly onConnect: () => void;
    /** What it throws ends the connection. */
    readonly onMessage: (message: FromEngine) => void;
    readonly onClosed: () => void;
  }) {
    const { path, log, onConnect, onMessage, onClosed } = options;
    const frames = new FrameDecoder(maxAnswerFrameBytes);
    this.#socket = connect(path);
    this.#socket.on('connect', onConnect);
    this.#socket.on('data', (chunk) => {
      try {
        for (const frame of frames.push(chunk)) {
          if (this.#socket.destroyed) return;
          onMessage(decodeFromEngine(frame));
        }
      } catch (error) {
        log.error({ reason: messageOf(error) }, 'the engine sent what it should not');
        this.#socket.destroy();
      }
    });
    this.#socket.on('error', (error) => log.debug({ reason: error.message }, 'the engine connection failed'));
    this.#socket.on('close', onClosed);
  }

  send(message: ToEngine): void {
    this.write(encodeToEngine(message));
  }

  /** All that is written until the end of this turn leaves together. */
  write(frame: readonly Buffer[]): void {
    if (!this.#socket.writable) return;
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
      queueMicrotask(() => {
        this.#isCorked = false;
        this.#socket.uncork();
      });
    }
    for (const part of frame) this.#socket.write(part);
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
