import { maxWriteBytes } from '#contracts/engine/limits.ts';

/** What one frame will hold: the data of WRITEs that lie end to end in a file. */
export interface Gathered {
  readonly handle: number;
  /** null: an append. */
  readonly offset: number | null;
  readonly pieces: readonly Buffer[];
  readonly bytes: number;
}

/**
 * Puts the pieces in which WRITEs arrive together, as long as they continue one another: a frame costs the engine the same
 * whatever it holds. The data of an append is never divided over two frames.
 */
export class GatheredWrites {
  #handle = 0;
  /** Of the piece that would continue. */
  #offset: number | null = null;
  #start: number | null = null;
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** Of an append that has not come to its end. */
  #append: { readonly handle: number; readonly pieces: Buffer[]; bytes: number } | null = null;

  /** Without what is not to its end. */
  get bytes(): number {
    return this.#bytes;
  }

  /** In the middle of an append: its rest must come before anything can be sent. */
  get isInAppend(): boolean {
    return this.#append !== null;
  }

  /**
   * @param offset null: an append
   * @returns what must be sent before this piece, which does not continue it
   * @throws RangeError when a piece, or all of an append, is longer than a frame takes
   */
  add(handle: number, offset: number | null, data: Buffer, last: boolean): Gathered | null {
    if (offset !== null) return this.#join(handle, offset, [data], data.length);
    this.#append ??= { handle, pieces: [], bytes: 0 };
    this.#append.pieces.push(data);
    this.#append.bytes += data.length;
    if (this.#append.bytes > maxWriteBytes) throw new RangeError('an append that is too long');
    if (!last) return null;
    const { pieces, bytes } = this.#append;
    this.#append = null;
    return this.#join(handle, null, pieces, bytes);
  }

  /** All that was gathered. */
  take(): Gathered | null {
    if (this.#bytes === 0) return null;
    const taken = { handle: this.#handle, offset: this.#start, pieces: this.#pieces, bytes: this.#bytes };
    this.#pieces = [];
    this.#bytes = 0;
    return taken;
  }

  #join(handle: number, offset: number | null, pieces: readonly Buffer[], bytes: number): Gathered | null {
    if (bytes > maxWriteBytes) throw new RangeError('a WRITE that is too long');
    if (bytes === 0) return null;
    const continues =
      this.#handle === handle && this.#offset === offset && this.#bytes + bytes <= maxWriteBytes;
    const before = continues ? null : this.take();
    if (this.#bytes === 0) {
      this.#handle = handle;
      this.#start = offset;
    }
    this.#pieces.push(...pieces);
    this.#bytes += bytes;
    this.#offset = offset === null ? null : offset + bytes;
    return before;
  }
}
