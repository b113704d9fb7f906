import type { LogFolder } from './log-files.ts';
import type { Segment } from './segment.ts';

/** What of a log is only in the page cache. */
export class Unflushed {
  readonly #folder: LogFolder;
  #segments: Set<Segment>;
  #names = true;
  /** What the flush under way covers. */
  #flushing: { readonly segments: ReadonlySet<Segment>; readonly names: boolean } | null = null;

  constructor(folder: LogFolder, segments: Iterable<Segment>) {
    this.#folder = folder;
    this.#segments = new Set(segments);
  }

  changed(segment: Segment): void {
    this.#segments.add(segment);
  }

  /** The folder has a segment more. */
  namesChanged(): void {
    this.#names = true;
  }

  /** Has all that changed before the call on the disk when it resolves. One at a time. */
  async flush(): Promise<void> {
    const flushing = { segments: this.#segments, names: this.#names };
    this.#segments = new Set();
    this.#names = false;
    this.#flushing = flushing;
    for (const segment of flushing.segments) segment.retain();
    try {
      for (const segment of flushing.segments) await segment.file.sync();
      if (flushing.names) await this.#folder.sync();
    } finally {
      this.#flushing = null;
      for (const segment of flushing.segments) segment.release();
    }
  }

  /** The same in this thread, with what a flush under way covers. */
  flushNow(): void {
    for (const segment of new Set([...(this.#flushing?.segments ?? []), ...this.#segments])) {
      segment.file.syncNow();
    }
    if (this.#names || this.#flushing?.names === true) this.#folder.syncNow();
    this.#segments.clear();
    this.#names = false;
  }
}
