import { HoldfastError } from '#contracts/errors.ts';
import type { FlushScope } from '../apply/dirty-files.ts';
import type { Want } from '../core/answer-taker.ts';
import type { EntriesPage, NameAnswer } from '../core/answers.ts';
import type { EpochTable, LogPosition } from '../core/position.ts';
import type { Inode } from '../core/tree.ts';
import type { TreePath } from '../core/uncertain-names.ts';
import { LogMismatch } from '../log/log-state.ts';
import type { Flushed, FollowerPort, WriteData } from '../peers/ports.ts';
import { type ComparedRange, compareContent } from './comparison.ts';
import type { Opened } from './recovery.ts';
import { refusalOf } from './refusal.ts';
import { StoreLog } from './store-log.ts';

/** The engine of a host that follows, for the session with its leader. */
export class Following extends StoreLog implements FollowerPort {
  readonly #beginAnew: Opened['beginAnew'];
  readonly #roomListeners: Opened['roomListeners'];
  /** What the batch changed that came last. */
  #lastBatch: FlushScope = { files: [], paths: [] };

  constructor({ store, beginAnew, roomListeners }: Opened) {
    super(store);
    this.#beginAnew = beginAnew;
    this.#roomListeners = roomListeners;
  }

  get hasRoom(): boolean {
    return this.store.flusher.hasRoom;
  }

  onRoom(proceed: () => void): () => void {
    const listener = () => {
      if (this.hasRoom) proceed();
    };
    this.#roomListeners.add(listener);
    return () => this.#roomListeners.delete(listener);
  }

  async cutTo({ epoch, sequence }: LogPosition): Promise<void> {
    if (sequence < this.position.sequence) await this.store.cutTo(sequence, epoch);
  }

  async beginAnew(position: LogPosition, chain: Buffer, epochs: EpochTable): Promise<void> {
    await this.#beginAnew(position, chain, epochs);
  }

  /** What cannot be made here, as for want of space, is doubted, and asked for again. */
  consume(payload: Buffer, data: WriteData): void {
    this.#settle(null, () => {
      const { first, records } = this.store.orderBatch(payload);
      this.store.make(first, records, data);
      this.#lastBatch = this.store.tree.takeScope();
    });
  }

  onName(path: TreePath, answer: NameAnswer): void {
    this.#settle(path, () => this.store.replica.onName(this.position.sequence, path, answer));
    if (answer.kind === 'file') for (const handle of answer.handles) this.store.noteOpened(handle);
  }

  onEntries(path: TreePath, page: EntriesPage | null): void {
    this.#settle(path, () => this.store.replica.onEntries(path, page));
  }

  onOpened(path: TreePath): Inode | null {
    return this.store.replica.onOpened(path);
  }

  onContent(inode: Inode, openedAt: number, offset: number, data: Buffer): void {
    this.#settle(null, () => this.store.replica.onContent(inode, openedAt, offset, data));
    this.store.comparedBytes += data.length;
  }

  async onDigest(
    inode: Inode,
    openedAt: number,
    range: ComparedRange,
    digests: readonly Buffer[],
  ): Promise<void> {
    await compareContent(this.store, inode, openedAt, range, digests);
  }

  wants(limit: number): Want[] {
    return this.store.replica.wants().take(limit).toArray();
  }

  flush(): Promise<Flushed> {
    return this.store.flush();
  }

  async barrier(): Promise<boolean> {
    return (await this.store.barrier(this.#lastBatch)).complete;
  }

  /**
   * @param path what is doubted again when the disk refuses the change; the connection ends with that error. With any
   *   other error the engine ends.
   */
  #settle(path: TreePath | null, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!isRefused(error)) this.store.giveUp(error);
      else if (path !== null) this.store.replica.doubt(path, 'tree');
      throw error;
    } finally {
      this.store.tree.takeScope();
    }
    this.store.checkpointWhenDue();
    this.store.noteSoon();
  }
}

/** By whom a comparison may not take so much away; or by the disk, before anything was changed or with what was changed in doubt; or by the log, which lacks room. */
function isRefused(error: unknown): boolean {
  if (error instanceof HoldfastError && error.code === 'RESYNC_REMOVES_MUCH') return true;
  return refusalOf(error) !== null || error instanceof LogMismatch;
}
