import type { Duplex, Writable } from 'node:stream';
import { afterFullPoll } from '#contracts/lateness.ts';
import type { Reply } from './context.ts';

/** Replies that may wait for their turn; a client with more requests than that under way is not read from. */
const maxWaiting = 256;
const maxWaitingBytes = 4 * 1024 * 1024;
/**
 * What may wait in the socket. The window of a channel bounds nothing: it is the client that sets it, to gigabytes if it
 * likes, and then asks for data that it does not take.
 */
const maxSocketBytes = 1024 * 1024;

/** A change was made but may not be acknowledged: the connection is closed without an answer. */
export class MayNotAcknowledge extends Error {
  override readonly name = 'MayNotAcknowledge';
}

/** The connection of a client, as one SFTP session sees it. */
export interface SftpConnection {
  readonly channel: Duplex;
  /** What carries the channel. */
  readonly socket: Writable;
  /** Aborted when the client is gone or the session is over: nothing waits any longer. */
  readonly signal: AbortSignal;
  /** Closes the connection at once, with all that is buffered. */
  hangUp(): void;
}

/**
 * Sends replies in the order of the requests. One that waits for a disk or a peer holds those after it back, while
 * their requests are already being carried out.
 */
export class ReplyQueue {
  readonly #connection: SftpConnection;
  readonly #mayLeave: (acknowledges: boolean) => boolean;
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;
  #waitingBytes = 0;
  #roomMade: (() => void) | null = null;
  #failure: unknown = null;

  /** @param mayLeave asked right before a reply leaves, which acknowledges a change or does not (G1) */
  constructor(connection: SftpConnection, mayLeave: (acknowledges: boolean) => boolean) {
    this.#connection = connection;
    this.#mayLeave = mayLeave;
    const { channel, socket, signal } = connection;
    const tellRoom = () => this.#tellRoom();
    channel.on('drain', tellRoom);
    socket.on('drain', tellRoom);
    signal.addEventListener(
      'abort',
      () => {
        channel.off('drain', tellRoom);
        socket.off('drain', tellRoom);
        tellRoom();
      },
      { once: true },
    );
  }

  /** Why the connection was hung up: with what a reply rejected. */
  get failure(): unknown {
    return this.#failure;
  }

  get hasRoom(): boolean {
    const { channel, socket } = this.#connection;
    return (
      this.#waiting < maxWaiting &&
      this.#waitingBytes < maxWaitingBytes &&
      !channel.writableNeedDrain &&
      socket.writableLength < maxSocketBytes
    );
  }

  /** Resolves when there is room, or nobody left to reply to. */
  async room(): Promise<void> {
    while (!this.hasRoom && !this.#connection.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#roomMade = resolve;
      });
    }
  }

  /** Resolves when all replies have left. */
  async idle(): Promise<void> {
    await this.#tail;
  }

  push(reply: Reply, acknowledges: boolean): void {
    if (Buffer.isBuffer(reply) && this.#waiting === 0 && this.#mayLeave(acknowledges)) {
      this.#send(reply, acknowledges);
      return;
    }
    // It may reject before its turn comes.
    if (!Buffer.isBuffer(reply)) reply.catch(() => {});
    this.#tail = this.#sendInTurn(this.#tail, reply, acknowledges);
  }

  async #sendInTurn(before: Promise<void>, reply: Reply, acknowledges: boolean): Promise<void> {
    const bytes = Buffer.isBuffer(reply) ? reply.length : 0;
    this.#waiting += 1;
    this.#waitingBytes += bytes;
    try {
      await before;
      const packet = await reply;
      // The permit may lie unread in a process that stood still: hanging up waits for that, the gate does not.
      if (!this.#mayLeave(acknowledges)) await new Promise<void>(afterFullPoll);
      this.#send(packet, acknowledges);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#waiting -= 1;
      this.#waitingBytes -= bytes;
      this.#tellRoom();
    }
  }

  #send(packet: Buffer, acknowledges: boolean): void {
    if (this.#failure !== null) return;
    if (!this.#mayLeave(acknowledges)) {
      this.#fail(new MayNotAcknowledge('the gate shut before the answer'));
    } else if (this.#connection.channel.writable) this.#connection.channel.write(packet);
  }

  /** No reply after this one leaves: a client must not take a later one for it. */
  #fail(error: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#connection.hangUp();
  }

  #tellRoom(): void {
    const tell = this.#roomMade;
    this.#roomMade = null;
    tell?.();
  }
}
