import { connect, type Socket } from 'node:net';
import { messageOf } from '#contracts/errors.ts';
import type { Epoch } from '#contracts/identities.ts';
import { decodeFromJournal, encodeToJournal, JournalDecoder } from '#contracts/journal/codec.ts';
import type { FromJournal, ToJournal } from '#contracts/journal/message.ts';
import type { Operation } from '#contracts/journal/operation.ts';
import type { Logger } from '#contracts/log.ts';
import type { Journal, JournalOwner } from './journal.ts';

/** What may wait in the socket before clients are made to wait. */
const fullBytes = 16 * 1024 * 1024;
const firstRetryMs = 10;
const lastRetryMs = 500;

/** The journal by the replicator's unix socket. */
export class SocketJournal implements Journal {
  readonly #path: string;
  readonly #epoch: Epoch;
  readonly #owner: JournalOwner;
  readonly #log: Logger;
  #socket: Socket | null = null;
  #welcome = false;
  #closed = false;
  #sequence = 0;
  #durable = 0;
  #retryMs = firstRetryMs;
  #waiting: { sequence: number; resolve: () => void }[] = [];

  constructor(options: { path: string; epoch: Epoch; owner: JournalOwner; log: Logger }) {
    this.#path = options.path;
    this.#epoch = options.epoch;
    this.#owner = options.owner;
    this.#log = options.log;
    this.#owner.refuse('the replicator is not connected yet');
    this.#connect();
  }

  get lastSequence(): number {
    return this.#sequence;
  }

  get isFull(): boolean {
    return (this.#socket?.writableLength ?? 0) > fullBytes;
  }

  /** While the socket is broken the operation is not sent: catch-up finds what the followers lack. */
  record(operation: Operation, durable: boolean): number {
    this.#sequence += 1;
    if (this.#welcome)
      this.#send({ type: 'operation', epoch: this.#epoch, sequence: this.#sequence, durable, operation });
    return this.#sequence;
  }

  async whenDurable(sequence: number): Promise<void> {
    if (sequence <= this.#durable) return;
    await new Promise<void>((resolve) => this.#waiting.push({ sequence, resolve }));
  }

  close(): void {
    this.#closed = true;
    this.#socket?.destroy();
  }

  #connect(): void {
    const socket = connect(this.#path);
    const decoder = new JournalDecoder(decodeFromJournal);
    this.#socket = socket;
    socket.on('connect', () => {
      this.#send({ type: 'hello', epoch: this.#epoch, nextSequence: this.#sequence + 1 });
    });
    socket.on('data', (chunk) => {
      try {
        for (const message of decoder.push(chunk)) this.#receive(message);
      } catch (error) {
        this.#log.error({ reason: messageOf(error) }, 'the replicator sent what is no journal message');
        socket.destroy();
      }
    });
    socket.on('drain', () => this.#owner.drained());
    socket.on('error', (error) =>
      this.#log.debug({ reason: error.message }, 'the journal connection failed'),
    );
    socket.on('close', () => this.#lost());
  }

  #lost(): void {
    if (this.#closed) return;
    if (this.#welcome)
      this.#log.warn({ code: 'REPLICATION_STOPPED' }, 'the journal connection broke: writes wait');
    this.#welcome = false;
    this.#owner.release();
    this.#owner.refuse('the replicator is not connected');
    this.#owner.drained();
    setTimeout(() => {
      if (!this.#closed) this.#connect();
    }, this.#retryMs);
    this.#retryMs = Math.min(lastRetryMs, this.#retryMs * 2);
  }

  #receive(message: FromJournal): void {
    switch (message.type) {
      case 'welcome':
        if (message.epoch !== this.#epoch)
          throw new Error(`a welcome of epoch ${message.epoch} to ${this.#epoch}`);
        this.#welcome = true;
        this.#retryMs = firstRetryMs;
        this.#owner.refuse(null);
        return;
      case 'durable':
        this.#settle(message.sequence);
        return;
      case 'hold':
        this.#send({ type: 'held', sequence: this.#sequence, handles: this.#owner.hold() });
        return;
      case 'release':
        this.#owner.release();
        return;
      case 'refuse':
        this.#owner.refuse(message.reason === '' ? null : message.reason);
    }
  }

  #settle(sequence: number): void {
    this.#durable = Math.max(this.#durable, sequence);
    const settled = this.#waiting.filter((waiting) => waiting.sequence <= this.#durable);
    if (settled.length === 0) return;
    this.#waiting = this.#waiting.filter((waiting) => waiting.sequence > this.#durable);
    for (const { resolve } of settled) resolve();
  }

  #send(message: ToJournal): void {
    const socket = this.#socket;
    if (socket === null || !socket.writable) return;
    socket.cork();
    for (const part of encodeToJournal(message)) socket.write(part);
    socket.uncork();
  }
}
