import { FormatError } from '#contracts/bytes.ts';
import { isWithin, maxPathBytes } from '../tree/path.ts';
import type { DecodedRecord } from './record-codec.ts';

export interface OpenHandle {
  /** Its name after the records so far; null when that was removed, replaced or too long, or had no room in a header. */
  readonly path: Buffer | null;
  /** What this host's `opened` record says; null before it. */
  readonly inode: bigint | null;
}

/** So many fit into the header of a segment. An engine refuses opens long before. */
export const maxOpenHandles = 262_144;

/** The handles that are open after the records of a log. */
export class HandleTable {
  readonly #handles: Map<number, OpenHandle>;

  constructor(handles: ReadonlyMap<number, OpenHandle> = new Map()) {
    this.#handles = new Map(handles);
  }

  get handles(): ReadonlyMap<number, OpenHandle> {
    return this.#handles;
  }

  /** @throws FormatError when a batch opens more handles than the table can hold */
  checkRoomFor(records: readonly DecodedRecord[]): void {
    const opens = records.filter(({ kind }) => kind === 'open').length;
    if (opens > 0 && this.#handles.size + opens > maxOpenHandles) {
      throw new FormatError(`more than ${maxOpenHandles} open handles`);
    }
  }

  apply(record: DecodedRecord): void {
    switch (record.kind) {
      case 'leadership':
        this.#handles.clear();
        break;
      case 'open':
        // The record's path is a view of a batch.
        this.#handles.set(record.handle, { path: Buffer.from(record.path), inode: null });
        break;
      case 'close':
        this.#handles.delete(record.handle);
        break;
      case 'rename':
        this.#rename(record.from, record.to);
        break;
      case 'remove':
        this.#rewrite(record.path, () => null);
        break;
    }
  }

  bind(handle: number, inode: bigint): void {
    const open = this.#handles.get(handle);
    if (open !== undefined) this.#handles.set(handle, { ...open, inode });
  }

  #rename(from: Buffer, to: Buffer): void {
    if (from.equals(to)) return;
    this.#rewrite(to, () => null);
    this.#rewrite(from, (path) => {
      const renamed = Buffer.concat([to, path.subarray(from.length)]);
      return renamed.length > maxPathBytes ? null : renamed;
    });
  }

  /** Of the handles at a path or below it. */
  #rewrite(at: Buffer, change: (path: Buffer) => Buffer | null): void {
    for (const [handle, { path, inode }] of this.#handles) {
      if (path === null || path.length < at.length || !isWithin(path, at)) continue;
      this.#handles.set(handle, { path: change(path), inode });
    }
  }
}
