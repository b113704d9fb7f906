import type { Duplex } from 'node:stream';
import type { Reply } from './context.ts';

/** Replies that may wait for their turn; a client with more requests than that under way is not read from. */
const maxWaiting = 256;

/**
 * Sends replies in the order of the requests. One that waits for a disk or a peer holds those after it back, while
 * their requests are already being carried out.
 */
export class ReplyQueue {
  readonly #channel: Duplex;
  readonly #fail: (error: unknown) => void;
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;
  #roomMade: (() => void) | null = null;

  /** @param fail called once with what a reply rejected with: then no further reply is sent */
  constructor(channel: Duplex, fail: (error: unknown) => void) {
    this.#channel = channel;
    this.#fail = fail;
    channel.on('drain', () => this.#tellRoom());
    channel.on('close', () => this.#tellRoom());
  }

  get hasRoom(): boolean {
    return this.#channel.destroyed || (this.#waiting < maxWaiting && !this.#channel.writableNeedDrain);
  }

  push(reply: Reply): void {
    if (Buffer.isBuffer(reply) && this.#waiting === 0) {
      this.#send(reply);
      return;
    }
    // It may reject before its turn comes.
    if (!Buffer.isBuffer(reply)) reply.catch(() => {});
    this.#waiting += 1;
    const before = this.#tail;
    this.#tail = (async () => {
      await before;
      this.#send(await reply);
      this.#waiting -= 1;
      this.#tellRoom();
    })();
    this.#tail.catch((error) => this.#fail(error));
  }

  async room(): Promise<void> {
    while (!this.hasRoom) {
      await new Promise<void>((resolve) => {
        this.#roomMade = resolve;
      });
    }
  }

  #send(packet: Buffer): void {
    if (this.#channel.writable) this.#channel.write(packet);
  }

  #tellRoom(): void {
    const tell = this.#roomMade;
    this.#roomMade = null;
    tell?.();
  }
}
