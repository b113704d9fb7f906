import { fromKey, toKey } from '../tree/path.ts';
import type { DoubtedTree } from './doubted-tree.ts';
import type { Handle, HandleState } from './handles.ts';
import type { LogRecord } from './record.ts';

/** What a host comes to doubt when its process died, when the power was cut, and when its history is not the leader's. */
export class Doubting {
  readonly #known: DoubtedTree;

  constructor(known: DoubtedTree) {
    this.#known = known;
  }

  /**
   * Does not know whether a record was made: it was in the log when the process died, or was made in a history that
   * is not the leader's (R6). `state` holds the handles as they were before it.
   */
  record(record: LogRecord): void {
    switch (record.kind) {
      case 'open':
        this.#known.doubtFile(toKey(record.path), record.otherNames);
        this.#known.handles.bind(record.handle, { inode: null, path: toKey(record.path) });
        return;
      case 'write':
      case 'set-handle-attributes':
        this.#doubtHandle(record.handle);
        return;
      case 'close':
        this.#known.handles.close(record.handle);
        return;
      case 'leadership':
        this.#known.handles.closeAll();
        return;
      case 'set-attributes':
        this.#known.doubtFile(toKey(record.path), record.otherNames);
        return;
      case 'rename':
        this.#known.doubtRename(toKey(record.from), toKey(record.to));
        return;
      case 'remove':
      case 'rmdir':
      case 'mkdir':
      case 'symlink':
      case 'link':
        this.#known.handles.forgetPaths(toKey(record.path));
        this.#known.doubt(toKey(record.path), 'tree');
        return;
      case 'suspect':
        for (const { path, scope } of record.names) this.#known.doubt(toKey(path), scope);
        for (const { paths } of record.ranges)
          for (const path of paths) this.#known.doubt(toKey(path), 'name');
        return;
      case 'sync':
      case 'state':
        return;
    }
  }

  /**
   * Takes back a record that is not in the leader's history; `recordsAfter` follows, and doubts the files that were open.
   * @param handles open before the first such record, by the log
   */
  ownRecord(record: LogRecord, handles: ReadonlyMap<number, Handle>): void {
    if (record.kind !== 'write' && record.kind !== 'set-handle-attributes') {
      this.record(record);
      return;
    }
    // A file that was opened later was doubted by its names with the record that opened it.
    const open = handles.get(record.handle);
    // It was not known then which file that was, and it may have been found since under any name.
    if (open?.inode === null) this.#known.doubt('', 'tree');
  }

  /**
   * The records after `common` are no more: what was missing since one of them is missing since `common`.
   * @param handles what was open at `common`, by the log
   */
  recordsAfter(common: number, handles: HandleState): void {
    this.#known.doubts.forgetAfter(common);
    for (const { inode, path } of handles) this.#doubtOpen({ inode, path });
    this.#known.handles.closeAll();
    for (const { handle, path } of handles) this.#known.handles.bind(handle, { inode: null, path });
  }

  /** Does not know the files that are open: after a power cut, by which they may have become others. */
  handles(): void {
    for (const [handle, open] of this.#known.handles.all) {
      this.#doubtOpen(open);
      this.#known.handles.bind(handle, { inode: null, path: open.path });
    }
  }

  /** What a new leader tells the others to ask it for: it has nobody to ask, and what it has counts. */
  asRecord(): Extract<LogRecord, { kind: 'suspect' }> {
    this.#known.dropNameless();
    const names = [...this.#known.doubts.names.all()].map(({ path, scope }) => ({
      path: fromKey(path),
      scope,
    }));
    const ranges = [...this.#known.doubts.missing].flatMap(([inode, { ranges: missing }]) => {
      const paths = this.#known.tree.namesOf(inode).map(fromKey);
      return missing.map(({ from, to }) => ({ paths, offset: from, length: to - from }));
    });
    return { kind: 'suspect', names, ranges };
  }

  #doubtHandle(handle: number): void {
    this.#doubtOpen(this.#known.handles.all.get(handle) ?? { inode: null, path: null });
  }

  #doubtOpen({ inode, path }: Handle): void {
    if (path !== null) this.#known.doubt(path, 'name');
    for (const name of inode === null ? [] : this.#known.tree.namesOf(inode)) this.#known.doubt(name, 'name');
  }
}
