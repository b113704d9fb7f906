import type { EngineRefusal } from './errors.ts';
import type { Written } from './ports.ts';

interface Sent {
  readonly request: number;
  readonly start: number;
  readonly end: number;
  size: number | null;
}

interface Failure {
  readonly start: number;
  readonly end: number;
  readonly error: EngineRefusal;
}

interface Waiting {
  readonly start: number;
  readonly end: number;
  resolve(written: Written): void;
  reject(error: unknown): void;
}

/**
 * Tells WRITEs of clients from the frames in which they were sent: a WRITE may be part of a frame, or of several. Both are
 * ranges of all bytes that the session has written; the engine says how far it is, and which ranges it refused.
 */
export class AcknowledgedWrites {
  #acceptedBytes = 0;
  #sentBytes = 0;
  #acknowledgedBytes = 0;
  #writeStart = 0;
  #sent: Sent[] = [];
  #failures: Failure[] = [];
  #waiting: Waiting[] = [];

  /** Sent and not acknowledged. */
  get unacknowledgedBytes(): number {
    return this.#sentBytes - this.#acknowledgedBytes;
  }

  /** Taken and not acknowledged. */
  get takenBytes(): number {
    return this.#acceptedBytes - this.#acknowledgedBytes;
  }

  get framesUnderWay(): number {
    return this.#sent.length;
  }

  /** WRITEs that wait for their answer. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Bytes were taken that belong to a WRITE. */
  accept(bytes: number): void {
    this.#acceptedBytes += bytes;
  }

  /** The WRITE is whole. Resolves when all its bytes are made; rejects with EngineRefusal when some were refused. */
  whenMade(): Promise<Written> {
    const { promise, resolve, reject } = Promise.withResolvers<Written>();
    const [start, end] = [this.#writeStart, this.#acceptedBytes];
    this.#writeStart = end;
    this.#waiting.push({ start, end, resolve, reject });
    if (end <= this.#acknowledgedBytes) this.#settle();
    return promise;
  }

  sent(request: number, bytes: number): void {
    const start = this.#sentBytes;
    this.#sentBytes += bytes;
    this.#sent.push({ request, start, end: this.#sentBytes, size: null });
  }

  /** @throws Error when there is no such frame */
  refused(request: number, written: number, error: EngineRefusal): void {
    const { start, end } = this.#frame(request);
    if (start + written < end) this.#failures.push({ start: start + written, end, error });
  }

  /** @throws Error when there is no such frame */
  appended(request: number, size: number): void {
    this.#frame(request).size = size;
  }

  /** @throws Error when it is not at the end of a frame that was sent, or goes back */
  acknowledged(bytes: number): void {
    if (bytes < this.#acknowledgedBytes || bytes > this.#sentBytes)
      throw new Error(`${bytes} bytes acknowledged, of ${this.#sentBytes}`);
    this.#acknowledgedBytes = bytes;
    this.#settle();
    this.#sent = this.#sent.slice(countWhile(this.#sent, ({ end }) => end <= bytes));
    // A WRITE that is not to its end may have bytes in frames that are.
    const needed = this.#waiting[0]?.start ?? this.#writeStart;
    this.#failures = this.#failures.filter(({ end }) => end > needed);
  }

  /** Nothing of what is under way will be answered. */
  fail(error: unknown): void {
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting = [];
    this.#sent = [];
  }

  #settle(): void {
    const settled = countWhile(this.#waiting, ({ end }) => end <= this.#acknowledgedBytes);
    const done = this.#waiting.slice(0, settled);
    this.#waiting = this.#waiting.slice(settled);
    for (const write of done) {
      const failure = this.#failures.find(({ start, end }) => start < write.end && end > write.start);
      if (failure === undefined) write.resolve(this.#written(write));
      else write.reject(failure.error);
    }
  }

  #written({ end }: Waiting): Written {
    const frame = this.#sent.find((sent) => sent.start < end && sent.end >= end);
    return frame?.size == null ? {} : { size: frame.size - (frame.end - end) };
  }

  #frame(request: number): Sent {
    const frame = this.#sent.find((sent) => sent.request === request);
    if (frame === undefined) throw new Error(`an answer to ${request}, which is no WRITE under way`);
    return frame;
  }
}

function countWhile<Item>(items: readonly Item[], test: (item: Item) => boolean): number {
  const end = items.findIndex((item) => !test(item));
  return end === -1 ? items.length : end;
}
