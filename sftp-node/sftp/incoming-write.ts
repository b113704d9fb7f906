import type { SessionContext } from './context.ts';
import type { WritePiece } from './packet-stream.ts';

type WriteOutcome = { readonly error: unknown } | { readonly made: Promise<unknown> };

/** The WRITE whose pieces are coming in. */
export class IncomingWrite {
  readonly #context: SessionContext;
  readonly #permission: () => Promise<void>;
  /** Why it has failed already: the rest of its data is passed over. */
  #error: unknown = null;

  constructor(context: SessionContext, permission: () => Promise<void>) {
    this.#context = context;
    this.#permission = permission;
  }

  /**
   * Passes a piece on to the engine, as credit allows.
   * @returns null until the last piece; then why the WRITE has failed already, or what becomes of it: in an object, since
   *   that is not waited for here
   */
  async receive({ handle: name, offset, data, last }: WritePiece): Promise<WriteOutcome | null> {
    const { engine, handles } = this.#context;
    let made: Promise<unknown> | null = null;
    try {
      if (this.#error === null) {
        if (!engine.permitted) await this.#permission();
        const file = handles.writableFile(name);
        while (!engine.hasCredit) await engine.credit();
        made = engine.write({ handle: file.engineHandle, offset, data, last });
        file.bytesWritten += data.length;
      }
    } catch (error) {
      this.#error = error;
    }
    if (!last) return null;
    const error = this.#error;
    this.#error = null;
    return made === null ? { error } : { made };
  }
}
