import type { OpenHandle } from '#contracts/journal/message.ts';

export interface Held {
  readonly sequence: number;
  readonly handles: readonly OpenHandle[];
}

/** Says `hold` and `release` to the SFTP node; null while none is connected, and the tree is quiet by itself. */
export interface HoldableNode {
  hold(): void;
  release(): void;
}

/**
 * Stops all mutations of the tree for a moment, one user of the moment after the other. Every hold ends: when the
 * work ends, at its limit, or when the node connects or goes. `hold` is said again only after the node has answered
 * the one before, so an answer is never taken for another's.
 */
export class TreeHold {
  readonly #node: () => HoldableNode | null;
  readonly #lastSequence: () => number;
  #turn: Promise<unknown> = Promise.resolve();
  #answer: ((held: Held | null) => void) | null = null;
  #interrupt: AbortController | null = null;

  constructor(node: () => HoldableNode | null, lastSequence: () => number) {
    this.#node = node;
    this.#lastSequence = lastSequence;
  }

  /**
   * Runs `work` while nothing mutates. Its signal aborts when mutations may run again.
   * @param limitMs how long mutations may wait at most
   * @returns null when there was no hold to be had
   */
  async during<Result>(
    limitMs: number,
    work: (held: Held, signal: AbortSignal) => Promise<Result>,
  ): Promise<Result | null> {
    const turn = this.#turn.then(() => this.#hold(limitMs, work));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  onHeld(held: Held): void {
    this.#answer?.(held);
  }

  /** A node came or went: whatever was held is not any more. */
  interrupt(): void {
    this.#answer?.(null);
    this.#interrupt?.abort(new Error('the SFTP node came or went'));
  }

  async #hold<Result>(
    limitMs: number,
    work: (held: Held, signal: AbortSignal) => Promise<Result>,
  ): Promise<Result | null> {
    const interrupt = new AbortController();
    this.#interrupt = interrupt;
    const limit = setTimeout(() => interrupt.abort(new Error(`not done in ${limitMs} ms`)), limitMs);
    const node = this.#node();
    try {
      const held = node === null ? { sequence: this.#lastSequence(), handles: [] } : await this.#ask(node);
      if (held === null || interrupt.signal.aborted) return null;
      return await work(held, interrupt.signal);
    } finally {
      clearTimeout(limit);
      this.#interrupt = null;
      node?.release();
      interrupt.abort(new Error('released'));
    }
  }

  #ask(node: HoldableNode): Promise<Held | null> {
    return new Promise((resolve) => {
      this.#answer = (held) => {
        this.#answer = null;
        resolve(held);
      };
      node.hold();
    });
  }
}
