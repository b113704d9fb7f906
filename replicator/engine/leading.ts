import { errnoOf } from '../apply/errno.ts';
import { answerName, type NameAnswer } from '../core/answers.ts';
import type { LogPosition } from '../core/position.ts';
import type { LogRecord } from '../core/record.ts';
import type { TreePath } from '../core/uncertain-names.ts';
import type { LoggedBatch } from '../log/batch-reader.ts';
import type { OpenHandle } from '../log/handle-table.ts';
import type { LeaderPort, OpenContent, OpenDirectory, WriteData } from '../peers/ports.ts';
import { fromKey } from '../tree/path.ts';
import { ContentReader } from './open-content.ts';
import { OpenDirectories } from './open-directories.ts';
import type { Store } from './store.ts';
import { StoreLog } from './store-log.ts';
import { suspectRecords } from './suspects.ts';

/** Of one batch. */
const recordsAtOnce = 100;

type Listener = (batch: LoggedBatch, data: WriteData | null) => void;

/** One leadership of this host: it orders records, and answers followers. */
export class Leading extends StoreLog implements LeaderPort {
  readonly epoch: number;
  readonly #directories: OpenDirectories;
  readonly #listeners = new Set<Listener>();
  readonly #unsubscribe: () => void;

  /**
   * Begins a leadership, or goes on with it after the process died: its record, or their own, close all handles, and what
   * this host doubts is said next; from then on its tree counts. The caller flushes before it acknowledges anything.
   * @throws as OperationLog.append
   */
  constructor(store: Store, epoch: number, node: string) {
    super(store);
    this.epoch = epoch;
    this.#directories = new OpenDirectories(store.tree, store.places);
    this.#unsubscribe = store.onRecords((records) => this.#directories.touch(records));
    const open = [...store.log.handles.keys()];
    const times = open.flatMap((handle) => this.#timesOf(handle));
    if (store.log.position.epoch === epoch) {
      this.#orderAll(open.map((handle) => ({ kind: 'close', handle })));
    } else this.order([{ kind: 'leadership', epoch, node, previous: store.log.position }], []);
    if (!store.replica.isComplete) this.#saySuspect();
    this.#orderAll(times);
  }

  read(from: number): AsyncGenerator<LoggedBatch> {
    return this.store.log.read(from);
  }

  /** Open at a position of the log. @throws as `OperationLog.handlesAt` */
  handlesAt(position: LogPosition): Promise<ReadonlyMap<number, OpenHandle>> {
    return this.store.log.handlesAt(position);
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  answerName(path: TreePath): NameAnswer {
    return answerName(this.store.tree, this.store.replica.handles, path);
  }

  openDirectory(path: TreePath): Promise<OpenDirectory | null> {
    return this.#directories.open(path);
  }

  openContent(path: TreePath): OpenContent | null {
    try {
      return new ContentReader(this.store.tree.openToRead(path).fd);
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR', 'EINVAL', 'ENXIO'].includes(errnoOf(error) ?? ''))
        return null;
      throw error;
    }
  }

  /**
   * Logs records, streams them and makes them, in this turn.
   * @param data of the writes, in order; who listens says whether it may be changed afterwards
   * @returns whether all of them could be made; else what they name is suspect, as the log says
   * @throws as OperationLog.append: nothing was logged
   */
  order(records: readonly LogRecord[], data: WriteData): boolean {
    const batch = this.store.order(records);
    for (const listener of this.#listeners) listener(batch, data.length === 0 ? null : data);
    const made = this.store.make(batch.first, records, data);
    if (!made) this.#saySuspect();
    return made;
  }

  /** The leadership is over: nobody is told anything any more. */
  end(): void {
    this.#listeners.clear();
    this.#unsubscribe();
  }

  /** A file that was open has the time of its last write, which is another one on each host. */
  #timesOf(handle: number): LogRecord[] {
    const { replica, tree } = this.store;
    const inode = replica.handles.get(handle)?.inode ?? null;
    const name = inode === null ? null : tree.nameOf(inode);
    if (inode === null || name === null || !replica.isCertain(name)) return [];
    const otherNames = tree.namesOf(inode).filter((other) => other !== name);
    const attributes = tree.timesAt(name);
    return [{ kind: 'set-attributes', path: fromKey(name), attributes, otherNames: otherNames.map(fromKey) }];
  }

  #orderAll(records: readonly LogRecord[]): void {
    for (let at = 0; at < records.length; at += recordsAtOnce)
      this.order(records.slice(at, at + recordsAtOnce), []);
  }

  /** What this host doubts counts as it lies here; followers fetch it anew. */
  #saySuspect(): void {
    const { replica } = this.store;
    for (const record of suspectRecords(replica.doubts())) {
      const batch = this.store.order([record]);
      for (const listener of this.#listeners) listener(batch, null);
      this.store.make(batch.first, [record], []);
    }
    replica.trustAll();
    this.store.noteSoon();
  }
}
