/**
 * A descriptor whose changes are counted. It is flushed up to the change that was the last one when its fsync began,
 * and is closed by its owner once nobody needs it any more.
 */
export class Flushable {
  readonly fd: number;
  /** For events and the log; where it is now, as far as it is known. Relative to the files root. */
  path: Buffer;
  /** Its last name was taken away: no barrier waits for it any more. */
  isGone = false;
  isClosed = false;
  /** After a failed fsync it is never synced again as if it were good: the page cache lies (P6). */
  failure: FlushFailure | null = null;
  /** Bytes written since that are not surely on the disk. */
  unflushedBytes = 0;
  /** Of these, the ones that a flush under way will cover. */
  flushingBytes = 0;
  /** Flushes under way or asked for. */
  pending = 0;
  /** The one that has not begun: whoever asks meanwhile shares it. */
  next: Promise<void> | null = null;
  /** One that has begun, and up to which change it covers. */
  underWay: { readonly changes: number; readonly ended: Promise<void> } | null = null;
  #changes = 0;
  #flushed = 0;

  constructor(fd: number, path: Buffer) {
    this.fd = fd;
    this.path = path;
  }

  get isDirty(): boolean {
    return this.#flushed < this.#changes && !this.isGone;
  }

  get changes(): number {
    return this.#changes;
  }

  changed(): void {
    this.#changes += 1;
  }

  /** Everything up to this count of changes is on the disk. */
  flushed(changes: number): void {
    this.#flushed = Math.max(this.#flushed, changes);
  }
}

/** A barrier that cannot be kept: what it covers may not be on the disk, whatever is tried. */
export class FlushFailure extends Error {
  override readonly name = 'FlushFailure';
  readonly code = 'EIO';
  readonly path: Buffer;

  constructor(path: Buffer, cause: unknown) {
    super(`fsync of ${JSON.stringify(path.toString('utf8'))} failed`, { cause });
    this.path = path;
  }
}
