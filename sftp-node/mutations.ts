import { setMaxListeners } from 'node:events';
import { fsync } from 'node:fs';
import { promisify } from 'node:util';
import type { OpenHandle } from '#contracts/journal/message.ts';
import type { Operation } from '#contracts/journal/operation.ts';
import { deadline } from '#contracts/lateness.ts';
import type { Journal, JournalOwner } from './journal/journal.ts';
import { statusCode } from './sftp/protocol.ts';
import { StatusError } from './sftp/status-error.ts';
import type { WriteGate } from './write-gate.ts';

/** fsync, off the main thread. */
export const syncFile = promisify(fsync);

/** How long a mutation waits for the gate to open, or for a refusal to end, before it fails. */
const defaultPatienceMs = 2000;

export interface Patience {
  readonly patienceMs?: number;
  /** Ends the wait with the client that waits. */
  readonly signal?: AbortSignal;
}

const unending = new AbortController().signal;
setMaxListeners(0, unending);

/** A change was made but may not be acknowledged: the connection is closed without an answer. */
export class MayNotAcknowledge extends Error {
  override readonly name = 'MayNotAcknowledge';
}

/**
 * What clients change goes by here: in one order for all sessions, journalled in that order, while the gate is open.
 * The changes themselves are synchronous calls on the page cache, recorded before anything else runs, so that nothing
 * comes between a change and its place in the journal. (Not journalled: `makeReadable` in handlers/names.ts.)
 */
export class Mutations implements JournalOwner {
  readonly #gate: WriteGate;
  readonly #handles: () => OpenHandle[];
  readonly #waitsForPeers: boolean;
  #journal: Journal | null = null;
  #held = false;
  #unanswered = 0;
  #refusal: string | null = null;
  readonly #waiting = new Set<() => void>();
  readonly #watchesRefusal = new Set<() => void>();

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

  /** Whether the journal may still be told of what clients do: not once another host may lead. */
  get recordable(): boolean {
    return this.#gate.isOpen && !this.#held;
  }

  /**
   * Waits until a mutation may run.
   * @throws StatusError with the reason when it may not; the reason of `signal` when nobody waits for it any more
   */
  async permission({ patienceMs = defaultPatienceMs, signal = unending }: Patience = {}): Promise<void> {
    let isPatient = patienceMs > 0;
    let wake = () => {};
    const cancel = deadline(patienceMs, () => {
      isPatient = false;
      wake();
    });
    const onAbort = () => wake();
    signal.addEventListener('abort', onAbort);
    try {
      while (!this.permitted) {
        signal.throwIfAborted();
        if (!isPatient && !this.#isBusy) throw new StatusError(statusCode.failure, this.#reason());
        await new Promise<void>((resolve) => {
          wake = resolve;
          this.#waiting.add(resolve);
        });
        this.#waiting.delete(wake);
      }
    } finally {
      cancel();
      signal.removeEventListener('abort', onAbort);
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

  /** Something changed that mutations may have waited for. */
  wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
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

  /**
   * Waits until what was recorded is on the disks it must be on (G3); local fsync and the peers run side by side.
   * @throws StatusError when writes are refused meanwhile, for longer than `patienceMs`: nobody knows until when
   */
  async durable(
    sequence: number,
    syncHere: () => Promise<void>,
    patienceMs = defaultPatienceMs,
  ): Promise<void> {
    const peers = this.#waitsForPeers ? this.#journal?.whenDurable(sequence) : undefined;
    this.#unanswered += 1;
    try {
      await Promise.all([syncHere(), peers && this.#unlessRefused(peers, patienceMs)]);
    } finally {
      this.#unanswered -= 1;
    }
  }

  #unlessRefused(done: Promise<void>, patienceMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let cancel: (() => void) | null = null;
    const look = () => {
      if (this.#refusal === null) {
        cancel?.();
        cancel = null;
        return;
      }
      cancel ??= deadline(patienceMs, () => reject(new StatusError(statusCode.failure, this.#reason())));
    };
    look();
    this.#watchesRefusal.add(look);
    done.then(resolve, reject);
    return promise.finally(() => {
      cancel?.();
      this.#watchesRefusal.delete(look);
    });
  }

  /**
   * Changes that were made and whose client has no answer yet. (The answer leaves within the turn of the event loop in
   * which the last of them is durable.)
   */
  get unanswered(): number {
    return this.#unanswered;
  }

  /** The last look before an acknowledgement leaves (G1). */
  get mayAcknowledge(): boolean {
    return this.#gate.isOpen;
  }

  /** The last look before any other answer leaves: what was read may be old by then. */
  get mayAnswer(): boolean {
    return !this.#gate.isOver;
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
    for (const look of this.#watchesRefusal) look();
    this.wake();
  }

  drained(): void {
    this.wake();
  }
}
