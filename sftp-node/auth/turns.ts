interface Waiting {
  readonly memoryKib: number;
  readonly start: () => void;
}

/**
 * Lets few run at once, within a sum of memory; the others wait. Whose turn is next goes round the sources, so that many
 * from one address delay the others by one each. There is no limit on who waits: callers bound that.
 */
export class Turns {
  readonly #maxRunning: number;
  readonly #maxMemoryKib: number;
  #running = 0;
  #memoryKib = 0;
  /** By source; the one whose turn is next comes first. None is empty. */
  readonly #waiting = new Map<string, Set<Waiting>>();

  constructor(limits: { readonly running: number; readonly memoryKib: number }) {
    this.#maxRunning = limits.running;
    this.#maxMemoryKib = limits.memoryKib;
  }

  /**
   * @param memoryKib at most the limit, or its turn never comes
   * @returns what gives the place back; null when `closed` came first
   */
  acquire(memoryKib: number, source: string, closed: AbortSignal): Promise<(() => void) | null> {
    return new Promise((resolve) => {
      if (closed.aborted) {
        resolve(null);
        return;
      }
      const leave = () => {
        this.#remove(source, waiting);
        resolve(null);
        this.#startNext();
      };
      const start = () => {
        closed.removeEventListener('abort', leave);
        resolve(() => this.#giveBack(memoryKib));
      };
      const waiting = { memoryKib, start };
      closed.addEventListener('abort', leave, { once: true });
      this.#waiting.set(source, (this.#waiting.get(source) ?? new Set()).add(waiting));
      this.#startNext();
    });
  }

  #startNext(): void {
    for (let next = this.#first(); next !== null && this.#hasRoomFor(next.waiting); next = this.#first()) {
      const { source, waiting } = next;
      const others = this.#remove(source, waiting);
      this.#waiting.delete(source);
      if (others.size > 0) this.#waiting.set(source, others);
      this.#running += 1;
      this.#memoryKib += waiting.memoryKib;
      waiting.start();
    }
  }

  #first(): { source: string; waiting: Waiting } | null {
    for (const [source, queue] of this.#waiting) for (const waiting of queue) return { source, waiting };
    return null;
  }

  #hasRoomFor({ memoryKib }: Waiting): boolean {
    return this.#running < this.#maxRunning && this.#memoryKib + memoryKib <= this.#maxMemoryKib;
  }

  /** @returns who else of this source waits */
  #remove(source: string, waiting: Waiting): Set<Waiting> {
    const queue = this.#waiting.get(source) ?? new Set();
    queue.delete(waiting);
    if (queue.size === 0) this.#waiting.delete(source);
    return queue;
  }

  #giveBack(memoryKib: number): void {
    this.#running -= 1;
    this.#memoryKib -= memoryKib;
    this.#startNext();
  }
}
