/** Shared memory into which sockets are read, and from which other threads write and encrypt: nothing is copied. */
export const blockBytes = 1024 * 1024;
export const blockCount = 32;

export class Blocks {
  readonly shared: SharedArrayBuffer[];
  readonly #buffers: Buffer[];
  readonly #uses: number[];
  readonly #free: number[];
  readonly #waiting: (() => void)[] = [];

  constructor() {
    this.shared = Array.from({ length: blockCount }, () => new SharedArrayBuffer(blockBytes));
    this.#buffers = this.shared.map((block) => Buffer.from(block));
    this.#uses = this.shared.map(() => 0);
    this.#free = this.shared.map((_, index) => index);
  }

  buffer(block: number): Buffer {
    const buffer = this.#buffers[block];
    if (buffer === undefined) throw new Error(`no block ${block}`);
    return buffer;
  }

  /** Null when all are in use: the caller stops reading until `whenFree`. */
  take(): number | null {
    const block = this.#free.pop();
    if (block === undefined) return null;
    this.#uses[block] = 1;
    return block;
  }

  /** For a client that connects. @throws Error when there are more clients than blocks */
  takeFirst(): number {
    const block = this.take();
    if (block === null) throw new Error('all blocks are in use');
    return block;
  }

  whenFree(resume: () => void): void {
    this.#waiting.push(resume);
  }

  use(block: number): void {
    this.#uses[block] = (this.#uses[block] ?? 0) + 1;
  }

  release(block: number): void {
    const uses = (this.#uses[block] ?? 0) - 1;
    this.#uses[block] = uses;
    if (uses > 0) return;
    this.#free.push(block);
    for (const resume of this.#waiting.splice(0)) resume();
  }
}
