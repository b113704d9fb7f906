import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import { encodeFrame, type Frame, FrameDecoder } from '#contracts/frames.ts';
import { decodeToJournal, encodeFromJournal } from '#contracts/journal/codec.ts';
import type { FromJournal, ToJournal } from '#contracts/journal/message.ts';
import type { Logger } from '#contracts/log.ts';

/** The SFTP node at the other end of the journal socket. */
export interface NodeConnection {
  send(message: FromJournal): void;
  /** Stops and starts reading: back-pressure on the node. */
  pause(): void;
  resume(): void;
  close(): void;
}

export type JournalHello = Extract<ToJournal, { type: 'hello' }>;

/** Who takes the journal of one epoch. */
export interface JournalConsumer {
  readonly epoch: number;
  onHello(node: NodeConnection, hello: JournalHello): void;
  /** @param parts the frame as received, for passing on */
  onMessage(node: NodeConnection, message: ToJournal, parts: readonly Buffer[]): void;
  onGone(node: NodeConnection): void;
}

interface Waiting {
  readonly hello: JournalHello;
  begin(consumer: JournalConsumer): void;
  refuse(reason: string): void;
}

/**
 * The unix socket of the journal. It listens for the life of the process; a node of the current leadership is handed
 * to the consumer, one that is early (the supervisor starts it beside `lead`) waits, and one of an older epoch is
 * refused.
 */
export class JournalIntake {
  readonly #server: Server;
  readonly #log: Logger;
  #consumer: JournalConsumer | null = null;
  readonly #waiting = new Set<Waiting>();

  /** @throws HoldfastError REPLICATOR_FAILED */
  static async listen(path: string, log: Logger): Promise<JournalIntake> {
    rmSync(path, { force: true });
    const intake = new JournalIntake(log);
    await new Promise<void>((resolve, reject) => {
      intake.#server.once('error', (cause) =>
        reject(
          new HoldfastError('REPLICATOR_FAILED', `the journal socket ${path}: ${cause.message}`, { cause }),
        ),
      );
      // The socket is bound within this call: nobody else may ever connect to it.
      const umask = process.umask(0o177);
      intake.#server.listen(path, resolve);
      process.umask(umask);
    });
    return intake;
  }

  private constructor(log: Logger) {
    this.#log = log;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /** From now on this one takes what nodes of its epoch send; null: nobody does. */
  setConsumer(consumer: JournalConsumer | null): void {
    this.#consumer = consumer;
    for (const waiting of [...this.#waiting]) this.#place(waiting);
  }

  #serve(socket: Socket): void {
    const frames = new FrameDecoder();
    const node = connectionOf(socket);
    let consumer: JournalConsumer | null = null;
    let waiting: Waiting | null = null;

    const handle = (frame: Frame) => {
      const message = decodeToJournal(frame);
      if (message.type === 'hello') {
        if (waiting !== null || consumer !== null) throw new Error('a second hello');
        waiting = {
          hello: message,
          begin(taker) {
            consumer = taker;
            taker.onHello(node, message);
          },
          refuse(reason) {
            node.send({ type: 'refuse', reason });
            node.close();
          },
        };
        this.#place(waiting);
      } else if (consumer === null) {
        throw new Error(`${message.type} before welcome`);
      } else {
        consumer.onMessage(node, message, encodeFrame(frame.type, Buffer.alloc(0), frame.body));
      }
    };
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const frame of frames.push(chunk)) handle(frame);
      } catch (error) {
        this.#log.warn({ reason: messageOf(error) }, 'the journal connection was closed');
        node.close();
      }
    });
    socket.on('error', (error) =>
      this.#log.debug({ reason: error.message }, 'the journal connection failed'),
    );
    socket.on('close', () => {
      if (waiting !== null) this.#waiting.delete(waiting);
      consumer?.onGone(node);
    });
  }

  #place(waiting: Waiting): void {
    this.#waiting.delete(waiting);
    const { epoch } = waiting.hello;
    const current = this.#consumer?.epoch ?? 0;
    if (this.#consumer !== null && epoch === current) waiting.begin(this.#consumer);
    else if (epoch < current) waiting.refuse(`epoch ${epoch} is over: this host leads at ${current}`);
    else this.#waiting.add(waiting);
  }
}

function connectionOf(socket: Socket): NodeConnection {
  return {
    send(message) {
      if (!socket.writable) return;
      for (const part of encodeFromJournal(message)) socket.write(part);
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close: () => void socket.destroySoon(),
  };
}
