import { encodeEntry, entryType } from './entry.ts';
import { isFull, type LogFile, type LogFolder } from './log-files.ts';
import { encodeSegmentHeader, type SegmentHeader } from './segment-header.ts';
import { type SegmentName, segmentName } from './segment-name.ts';

/** The distance of places that are remembered within a segment. */
const placeDistanceBytes = 64 * 1024;

const zeros = Buffer.alloc(1024 * 1024);

/** Where in its file a batch begins. */
interface BatchPlace {
  readonly first: number;
  readonly at: number;
}

export interface SegmentLengths {
  /** Where its intact entries end. */
  readonly length: number;
  readonly headerBytes: number;
  /**
   * Zeros are written up to a multiple of it before the entries come there: then a flush need not write the file's new
   * length, which costs a journal commit.
   */
  readonly aheadBytes: number;
}

/** One file of the log: a header and the entries behind it. Written at its end only. */
export class Segment {
  readonly name: SegmentName;
  readonly header: SegmentHeader;
  readonly #folder: LogFolder;
  readonly #file: LogFile;
  /** Of the entries. Beyond are zeros. */
  #length: number;
  readonly #headerBytes: number;
  readonly #aheadBytes: number;
  /** Of the file. */
  #allocated: number;
  /** Of some batches, at least `placeDistanceBytes` apart. */
  readonly #places: BatchPlace[] = [];
  #users = 1;

  constructor(
    folder: LogFolder,
    file: LogFile,
    name: SegmentName,
    header: SegmentHeader,
    { length, headerBytes, aheadBytes }: SegmentLengths,
  ) {
    this.#folder = folder;
    this.#file = file;
    this.name = name;
    this.header = header;
    this.#length = length;
    this.#headerBytes = headerBytes;
    this.#aheadBytes = aheadBytes;
    this.#allocated = file.size();
  }

  /**
   * In the page cache: nothing of it is durable yet. A file that cannot be written whole is removed.
   * @param fileName its own, or another one to begin with
   */
  static create(
    folder: LogFolder,
    name: SegmentName,
    header: SegmentHeader,
    { durable, aheadBytes, fileName }: { durable: number; aheadBytes: number; fileName: string },
  ): Segment {
    const entry = encodeEntry(entryType.header, encodeSegmentHeader(header), {
      marker: name.marker,
      offset: name.base,
      durable,
    });
    const file = folder.create(fileName);
    try {
      file.write(entry, 0);
      return new Segment(folder, file, name, header, {
        length: entry.length,
        headerBytes: entry.length,
        aheadBytes,
      });
    } catch (error) {
      file.close();
      folder.remove(fileName);
      throw error;
    }
  }

  /** Offset in the log at which it begins. */
  get base(): number {
    return this.name.base;
  }

  /** Length of the entries in the file. */
  get length(): number {
    return this.#length;
  }

  get bytesBehindHeader(): number {
    return this.#length - this.#headerBytes;
  }

  /** Offset in the log behind its last entry. */
  get end(): number {
    return this.name.base + this.#length;
  }

  get allocatedBytes(): number {
    return this.#allocated;
  }

  get file(): LogFile {
    return this.#file;
  }

  /**
   * Entries at its end. After an error nothing of them is left.
   * @throws what the file throws; UndoError when the file could not be put back
   */
  append(entries: Buffer): void {
    const end = this.#length + entries.length;
    try {
      if (end > this.#allocated) this.#allocate(end);
      this.#file.write(entries, this.#length);
    } catch (error) {
      this.#undo(error);
      throw error;
    }
    this.#length = end;
  }

  /** @param at where in the file the batch begins */
  notePlace(first: number, at: number): void {
    const last = this.#places.at(-1);
    if (last === undefined || at - last.at >= placeDistanceBytes) this.#places.push({ first, at });
  }

  /** Where to begin to look for the batch that holds a sequence. */
  placeBefore(sequence: number): number {
    return this.#places.findLast(({ first }) => first <= sequence)?.at ?? 0;
  }

  /** No entries follow: gives back what was allocated ahead. */
  seal(): void {
    if (this.#allocated > this.#length) this.#file.truncate(this.#length);
    this.#allocated = this.#length;
  }

  /** Cuts off what is not intact, so that it is not taken for entries after later ones were written. Durable on return. */
  async cut(): Promise<void> {
    this.#file.truncate(this.#length);
    this.#allocated = this.#length;
    await this.#file.sync();
  }

  /** A reader keeps the file open until `release`, also when the log lets go of the segment. */
  retain(): void {
    this.#users += 1;
  }

  release(): void {
    this.#users -= 1;
    if (this.#users === 0) this.#file.close();
  }

  remove(): void {
    this.#folder.remove(segmentName(this.name));
    this.release();
  }

  /** Zeros up to a multiple of `aheadBytes`, or to the end that is needed when the disk has no more. */
  #allocate(end: number): void {
    try {
      this.#extend(Math.ceil(end / this.#aheadBytes) * this.#aheadBytes);
    } catch (error) {
      if (!isFull(error)) throw error;
      this.#file.truncate(this.#allocated);
      this.#extend(end);
    }
  }

  #extend(target: number): void {
    for (let at = this.#allocated; at < target; at += zeros.length) {
      this.#file.write(zeros.subarray(0, Math.min(zeros.length, target - at)), at);
    }
    this.#allocated = target;
  }

  #undo(error: unknown): void {
    try {
      this.#file.truncate(this.#length);
      this.#allocated = this.#length;
    } catch (cause) {
      throw new UndoError(`${segmentName(this.name)} could not be put back after ${String(error)}`, {
        cause,
      });
    }
  }
}

/** A part of what was refused may be in the file. */
export class UndoError extends Error {
  override readonly name = 'UndoError';
}
