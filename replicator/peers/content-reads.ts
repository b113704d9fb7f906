import { limits } from './limits.ts';
import type { ToFollower } from './messages.ts';
import type { OpenContent } from './ports.ts';

interface Read {
  readonly kind: 'want-content' | 'want-digest';
  readonly id: number;
  readonly content: OpenContent;
  /** Of the request. */
  readonly from: number;
  readonly to: number;
  /** Up to here it is read. */
  at: number;
  readonly digests: Buffer[];
}

const readsAtOnce = 4;

export interface ReadLimits {
  /** Bytes that are read at once: of content, which is one piece on its way, and for a digest. */
  readonly content: number;
  readonly digest: number;
  /** Of all that is read for one follower; it is more by a piece or two for a moment. */
  readonly bytesPerSecond: number;
}

export const defaultReads: ReadLimits = {
  content: limits.contentPiece,
  digest: limits.digestBlock,
  bytesPerSecond: Number.POSITIVE_INFINITY,
};

/**
 * The files that a leader reads for one follower: a piece of each in turn, so that a long one keeps nobody waiting, and
 * not faster than it may, so that the disk and the thread that orders are there for clients.
 */
export class ContentReads {
  #waiting: Read[] = [];
  readonly #running = new Set<Read>();
  #isClosed = false;
  readonly #limits: ReadLimits;
  readonly #now: () => number;
  /** What was read so far is in order by then, milliseconds. */
  #evenAtMs = 0;
  #goingOn: NodeJS.Timeout | null = null;

  /** @param now elapsed milliseconds */
  constructor(readLimits: ReadLimits, now: () => number) {
    this.#limits = readLimits;
    this.#now = now;
  }

  add(request: Pick<Read, 'kind' | 'id' | 'from' | 'to'>, content: OpenContent): void {
    this.#waiting.push({ ...request, content, at: request.from, digests: [] });
  }

  /**
   * Begins to read the next pieces.
   * @param onRead called in the turn in which a piece has been read, with what to send
   */
  begin(onRead: (messages: ToFollower[]) => void, onFailed: (error: unknown) => void): void {
    if (this.#goingOn !== null) return;
    while (this.#running.size < readsAtOnce) {
      const waitMs = this.#evenAtMs - this.#now();
      if (waitMs > 0 && this.#waiting.length > 0) {
        this.#goingOn = setTimeout(() => {
          this.#goingOn = null;
          this.begin(onRead, onFailed);
        }, waitMs);
        return;
      }
      const read = this.#waiting.shift();
      if (read === undefined) return;
      this.#running.add(read);
      this.#piece(read).then(
        (messages) => this.#finished(read, messages, onRead),
        (error: unknown) => {
          this.#running.delete(read);
          read.content.close();
          if (!this.#isClosed) onFailed(error);
        },
      );
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const { content } of this.#waiting) content.close();
    this.#waiting = [];
    clearTimeout(this.#goingOn ?? undefined);
  }

  #finished(read: Read, messages: ToFollower[], onRead: (messages: ToFollower[]) => void): void {
    this.#running.delete(read);
    const isDone = messages.some(({ type }) => type === 'answered' || type === 'digest');
    if (isDone || this.#isClosed) read.content.close();
    else this.#waiting.push(read);
    if (!this.#isClosed) onRead(messages);
  }

  async #piece(read: Read): Promise<ToFollower[]> {
    const { content, digest, bytesPerSecond } = this.#limits;
    const before = read.at;
    const messages =
      read.kind === 'want-content' ? await readPiece(read, content) : await readDigest(read, digest);
    const takesMs = ((read.at - before) * 1000) / bytesPerSecond;
    this.#evenAtMs = Math.max(this.#evenAtMs, this.#now()) + takesMs;
    return messages;
  }
}

async function readPiece(read: Read, bytes: number): Promise<ToFollower[]> {
  const { id, content, at } = read;
  const end = Math.min(at + bytes, read.to);
  const data = await content.read(at, end);
  read.at += data.length;
  const messages: ToFollower[] = data.length === 0 ? [] : [{ type: 'content', id, offset: at, data }];
  if (read.at === read.to || read.at < end) messages.push({ type: 'answered', id });
  return messages;
}

async function readDigest(read: Read, blockBytes: number): Promise<ToFollower[]> {
  const { id, from, content, at, digests } = read;
  const end = Math.min(at + blockBytes, read.to);
  const { bytes, digest } = await content.digest(at, end);
  read.at += bytes;
  if (bytes > 0) digests.push(digest);
  if (read.at !== read.to && read.at === end) return [];
  return [{ type: 'digest', id, from, to: read.at, blockBytes, digests }];
}
