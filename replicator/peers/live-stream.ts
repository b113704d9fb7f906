import type { LeaderPort } from './ports.ts';
import { SendWindow } from './send-window.ts';

/** A follower's session, as the stream sees it. */
export interface StreamReader {
  /** Whether acknowledgements wait for it: what it lacks is kept, and counts against the credit. */
  readonly isMember: boolean;
  /** The last sequence that it has received. */
  readonly received: number;
  /** There is more to send. */
  pump(): void;
}

/**
 * What one leadership orders, on its way to all followers: one window for all of them. Slow followers that are no
 * members cost nothing here.
 */
export class LiveStream {
  readonly window: SendWindow;
  readonly #readers = new Set<StreamReader>();
  readonly #onRoom: () => void;
  readonly #unsubscribe: () => void;
  readonly #creditBytes: number;
  readonly #expectsReader: () => boolean;
  #wasFull = false;

  /**
   * @param windowBytes of batches with their data that are kept
   * @param onRoom `isFull` is over
   * @param creditBytes what a member may lack before clients are held back
   * @param expectsReader somebody who is not here is to go on soon
   */
  constructor(
    port: LeaderPort,
    windowBytes: number,
    onRoom: () => void,
    creditBytes = windowBytes,
    expectsReader: () => boolean = () => false,
  ) {
    this.#creditBytes = creditBytes;
    this.#expectsReader = expectsReader;
    this.window = new SendWindow(windowBytes, port.position.sequence + 1);
    this.#onRoom = onRoom;
    this.#unsubscribe = port.subscribe((batch, data) => {
      this.window.append(batch, this.keepsData ? data : null);
      this.#trim();
      for (const reader of this.#readers) reader.pump();
    });
  }

  /** Whether data is kept for anybody: who comes later gets records without, and fetches. */
  get keepsData(): boolean {
    return this.#readers.size > 0 || this.#expectsReader();
  }

  /** Whether a member lacks so much that clients are to be held back: it makes progress, or leaves the set. */
  get isFull(): boolean {
    return this.window.lackingBytes(this.#receivedByMembers) >= this.#creditBytes;
  }

  add(reader: StreamReader): void {
    this.#readers.add(reader);
  }

  remove(reader: StreamReader): void {
    this.#readers.delete(reader);
    this.onProgress();
  }

  /** A follower received more, or became or ceased to be a member. */
  onProgress(): void {
    this.#trim();
    if (this.#wasFull && !this.isFull) {
      this.#wasFull = false;
      this.#onRoom();
    }
  }

  close(): void {
    this.#unsubscribe();
    this.#readers.clear();
  }

  #trim(): void {
    // Who is to come has received nobody knows what.
    const byAll = this.#expectsReader() ? 0 : this.#receivedBy(() => true);
    this.window.trim(this.#receivedByMembers, byAll);
    this.#wasFull ||= this.isFull;
  }

  get #receivedByMembers(): number {
    return this.#receivedBy(({ isMember }) => isMember);
  }

  #receivedBy(counts: (reader: StreamReader) => boolean): number {
    let received = this.window.next - 1;
    for (const reader of this.#readers) if (counts(reader)) received = Math.min(received, reader.received);
    return received;
  }
}
