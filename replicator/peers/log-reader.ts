import type { LoggedBatch } from '../log/batch-reader.ts';
import type { LeaderPort } from './ports.ts';

/** Batches from the log, one ahead: for a follower that lacks what the window no longer has. */
export class LogReader {
  readonly #port: LeaderPort;
  readonly #onRead: () => void;
  readonly #onFailed: (error: unknown) => void;
  #batches: AsyncGenerator<LoggedBatch> | null = null;
  #read: LoggedBatch | null = null;
  #isReading = false;

  constructor(port: LeaderPort, onRead: () => void, onFailed: (error: unknown) => void) {
    this.#port = port;
    this.#onRead = onRead;
    this.#onFailed = onFailed;
  }

  /** The batch that begins with the sequence, if it has been read; else it is read, and `onRead` called. */
  take(first: number): LoggedBatch | null {
    if (this.#read?.first === first) {
      const batch = this.#read;
      this.#read = null;
      return batch;
    }
    if (this.#isReading) return null;
    // It is elsewhere when the window had some of the batches between.
    if (this.#read !== null) this.stop();
    this.#batches ??= this.#port.read(first);
    this.#readOn(this.#batches);
    return null;
  }

  stop(): void {
    const batches = this.#batches;
    this.#batches = null;
    this.#read = null;
    this.#isReading = false;
    batches?.return(undefined).catch(() => {});
  }

  #readOn(batches: AsyncGenerator<LoggedBatch>): void {
    this.#isReading = true;
    batches.next().then(
      ({ done, value }) => {
        if (batches !== this.#batches) return;
        this.#isReading = false;
        if (done) this.#batches = null;
        else this.#read = value;
        this.#onRead();
      },
      (error: unknown) => {
        if (batches === this.#batches) this.#onFailed(error);
      },
    );
  }
}
