import type { SessionContext } from './context.ts';
import { writePiece } from './handlers/files.ts';
import type { WritePiece } from './packet-stream.ts';

/** The WRITE whose pieces are coming in. */
export class IncomingWrite {
  readonly #context: SessionContext;
  readonly #permission: () => Promise<void>;
  /** Why it has failed already: the rest of its data is passed over. */
  #error: unknown = null;
  /** Of a WRITE that appends: put together, or another session's data could come between two pieces. */
  #gathered: Buffer[] = [];

  constructor(context: SessionContext, permission: () => Promise<void>) {
    this.#context = context;
    this.#permission = permission;
  }

  /** Null until the last piece. */
  async receive({ handle, offset, data, last }: WritePiece): Promise<{ error: unknown } | null> {
    const { mutations } = this.#context;
    try {
      if (this.#error === null) {
        if (!mutations.permitted) await this.#permission();
        this.#write(handle, offset, data, last);
      }
    } catch (error) {
      this.#error = error;
    }
    if (!last) return null;
    const error = this.#error;
    this.#error = null;
    this.#gathered = [];
    return { error };
  }

  #write(name: Buffer, offset: number, data: Buffer, last: boolean): void {
    const file = this.#context.handles.writableFile(name);
    if (!file.append || (last && this.#gathered.length === 0)) {
      writePiece(this.#context, file, offset, data);
      return;
    }
    this.#gathered.push(data);
    if (last) writePiece(this.#context, file, offset, Buffer.concat(this.#gathered));
  }
}
