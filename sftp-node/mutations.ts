import { close, fsync, open } from 'node:fs';
import { promisify } from 'node:util';
import type { OpenHandle } from '#contracts/journal/message.ts';
import type { Operation } from '#contracts/journal/operation.ts';
import type { Journal, JournalOwner } from './journal/journal.ts';
import { statusCode } from './sftp/protocol.ts';
import { StatusError } from './sftp/status-error.ts';
import type { WriteGate } from './write-gate.ts';

const openFile = promisify(open);
const closeFile = promisify(close);
const syncFile = promisify(fsync);

/** How long a mutation waits for the gate to open, or for a refusal to end, before it fails. */
const patienceMs = 2000;

/** Thrown when a change was made but may not be acknowledged: the connection is closed rather than lied to. */
export class MayNotAcknowledge extends Error {
  override readonly name = 'MayNotAcknowledge';
}

/**
 * The one way in which this process changes files: in one order for all sessions, journalled in that order, while the
 * gate is open. The changes themselves are synchronous calls on the page cache, so that nothing comes between a change
 * and its place in the journal.
 */
export class Mutations implements JournalOwner {
  readonly #gate: WriteGate;
  readonly #handles: () => OpenHandle[];
  readonly #waitsForPeers: boolean;
  #journal: Journal | null = null;
  #held = false;
  #refusal: string | null = null;
  #waiting: (() => void)[] = [];

  constructor(options: { gate: WriteGate; handles: () => OpenHandle[]; waitsForPeers: boolean }) {
    this.#gate = options.gate;
    this.#handles = options.handles;
    this.#waitsForPeers = options.waitsForPeers;
  }

  /** The journal is connected after this object exists, since it talks back to it. */
  writeTo(journal: Journal): void {
    this.#journal = journal;
  }

  get lastSequence(): number {
    return this.#journal?.lastSequence ?? 0;
  }

  get permitted(): boolean {
    return !this.#held && this.#refusal === null && this.#journal?.isFull === false && this.#gate.isOpen;
  }

  /** Waits until a mutation may run. @throws StatusError with the reason when it may not */
  async permission(): Promise<void> {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), patienceMs);
    try {
      while (!this.permitted) {
        if (deadline.signal.aborted && !this.#isBusy)
          throw new StatusError(statusCode.failure, this.#reason());
        await this.#change(deadline.signal);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Back-pressure and a hold end by themselves: those are waited for however long they take. */
  get #isBusy(): boolean {
    return this.#gate.isOpen && this.#refusal === null;
  }

  #reason(): string {
    if (!this.#gate.isOpen) return 'This host does not lead (any more): connect again';
    return `Writes are refused: ${this.#refusal ?? 'unknown'}`;
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (signal.aborted) setTimeout(resolve, 100);
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** Something changed that mutations may have waited for. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** Makes a change and journals it. What fails here is not journalled. */
  apply<Result>(
    operation: Operation,
    change: () => Result,
    durable: boolean,
  ): { result: Result; sequence: number } {
    const result = change();
    return { result, sequence: this.record(operation, durable) };
  }

  record(operation: Operation, durable: boolean): number {
    if (this.#journal === null) throw new Error('no journal');
    return this.#journal.record(operation, durable);
  }

  /** Waits until what was recorded is on the disks it must be on (G3); local fsync and the peers run side by side. */
  async durable(sequence: number, syncHere: () => Promise<void>): Promise<void> {
    const peers = this.#waitsForPeers ? this.#journal?.whenDurable(sequence) : undefined;
    await Promise.all([syncHere(), peers]);
  }

  /** The last look before an acknowledgement leaves (G1). @throws MayNotAcknowledge */
  assertMayAcknowledge(): void {
    if (!this.#gate.isOpen) throw new MayNotAcknowledge('the gate shut before the acknowledgement');
  }

  hold(): OpenHandle[] {
    this.#held = true;
    return this.#handles();
  }

  release(): void {
    this.#held = false;
    this.wake();
  }

  refuse(reason: string | null): void {
    this.#refusal = reason;
    if (reason === null) this.wake();
  }

  drained(): void {
    this.wake();
  }
}

/** fsync of a file or directory by path, off the main thread. */
export async function syncPath(path: Buffer | string): Promise<void> {
  const fd = await openFile(path, 'r');
  try {
    await syncFile(fd);
  } finally {
    await closeFile(fd);
  }
}

export { syncFile };
