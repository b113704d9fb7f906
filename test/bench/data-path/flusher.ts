import { fdatasync, fdatasyncSync } from 'node:fs';
import { parentPort, Worker, workerData } from 'node:worker_threads';

/** The log, what a client waits for, and what goes behind while it streams: none waits for another. */
export type Lane = 'log' | 'barrier' | 'behind';

export interface Flusher {
  flush(fd: number, lane: Lane): Promise<void>;
}

/** What goes behind at once: threads are left for what clients wait for. */
const maxBehind = 4;

/** In libuv's pool, whose threads every thread of the process shares: it has to be large, and nothing else may use it. */
export class PoolFlusher implements Flusher {
  #behind = 0;
  readonly #waiting: (() => void)[] = [];

  async flush(fd: number, lane: Lane): Promise<void> {
    if (lane !== 'behind') return flushInPool(fd);
    if (this.#behind >= maxBehind) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#behind += 1;
    try {
      await flushInPool(fd);
    } finally {
      this.#behind -= 1;
      this.#waiting.shift()?.();
    }
  }
}

function flushInPool(fd: number): Promise<void> {
  return new Promise((resolve, reject) =>
    fdatasync(fd, (error) => (error === null ? resolve() : reject(error))),
  );
}

/** Threads that do nothing but flush, so that neither the pool nor another lane is waited for. */
export class LaneFlusher implements Flusher {
  readonly #lanes: Record<Lane, FlushThread[]>;

  constructor(barrierThreads: number) {
    const threads = (count: number) => Array.from({ length: count }, () => new FlushThread());
    this.#lanes = { log: threads(1), barrier: threads(barrierThreads), behind: threads(1) };
  }

  flush(fd: number, lane: Lane): Promise<void> {
    const threads = this.#lanes[lane];
    const least = threads.reduce((best, thread) => (thread.waiting < best.waiting ? thread : best));
    return least.flush(fd);
  }
}

class FlushThread {
  readonly #thread = new Worker(new URL(import.meta.url), { name: 'flush', workerData: { flush: true } });
  readonly #resolves: (() => void)[] = [];

  constructor() {
    this.#thread.on('message', (count: number) => {
      for (const resolve of this.#resolves.splice(0, count)) resolve();
    });
  }

  get waiting(): number {
    return this.#resolves.length;
  }

  flush(fd: number): Promise<void> {
    return new Promise((resolve) => {
      this.#resolves.push(resolve);
      this.#thread.postMessage(fd);
    });
  }
}

if (workerData?.flush === true) {
  parentPort?.on('message', (fd: number) => {
    fdatasyncSync(fd);
    parentPort?.postMessage(1);
  });
}

/** Flushes of one descriptor: those who come while one runs share the next. */
export class GroupFlush {
  readonly #flush: () => Promise<void>;
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(flush: () => Promise<void>) {
    this.#flush = flush;
  }

  flush(): Promise<void> {
    if (this.#running === null) return this.#start();
    this.#next ??= this.#running.then(() => {
      this.#next = null;
      return this.#start();
    });
    return this.#next;
  }

  #start(): Promise<void> {
    const running = this.#flush().then(() => {
      if (this.#running === running) this.#running = null;
    });
    this.#running = running;
    return running;
  }
}
