/** Two frames of the longest kind and room to read on. */
export const blockBytes = 1024 * 1024;

/** Memory that a socket is read into, and other threads read from. Free when its last user releases it. */
export class Block {
  readonly bytes: Buffer = Buffer.from(new SharedArrayBuffer(blockBytes));
  readonly #onFree: (block: Block) => void;
  #uses = 0;

  constructor(onFree: (block: Block) => void) {
    this.#onFree = onFree;
  }

  /** Whether nobody but one uses it. */
  get isUsedOnce(): boolean {
    return this.#uses === 1;
  }

  use(): void {
    this.#uses += 1;
  }

  release(): void {
    this.#uses -= 1;
    if (this.#uses < 0) throw new Error('a block was released once too often');
    if (this.#uses === 0) this.#onFree(this);
  }
}

/**
 * At most `limit` blocks, made when they are first needed. The one that was freed last is taken first: where few are in
 * use, few are touched.
 */
export class BlockPool {
  readonly #limit: number;
  readonly #free: Block[] = [];
  #made = 0;
  #onFree: () => void = () => {};

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Called when a block became free. */
  set onFree(onFree: () => void) {
    this.#onFree = onFree;
  }

  /** With one use, the caller's. null: all are in use. */
  take(): Block | null {
    const block = this.#free.pop() ?? this.#make();
    block?.use();
    return block;
  }

  #make(): Block | null {
    if (this.#made >= this.#limit) return null;
    this.#made += 1;
    return new Block((block) => {
      this.#free.push(block);
      this.#onFree();
    });
  }
}
