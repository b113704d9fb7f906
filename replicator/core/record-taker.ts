import { toKey } from '../tree/path.ts';
import type { DoubtedTree } from './doubted-tree.ts';
import type { LogRecord, SuspectRange } from './record.ts';
import type { TreePath } from './uncertain-names.ts';

type RecordOf<Kind extends LogRecord['kind']> = Extract<LogRecord, { kind: Kind }>;

/**
 * Makes records in the tree (R2, R3): one whose sources and directories are known is made, whatever lies at its target, which
 * is known then; of another one all names become uncertain.
 */
export class RecordTaker {
  readonly #known: DoubtedTree;

  constructor(known: DoubtedTree) {
    this.#known = known;
  }

  /**
   * Takes the next record.
   * @param data the bytes of a write; null when they did not come with it
   */
  take(sequence: number, record: LogRecord, data: Uint8Array | null): void {
    switch (record.kind) {
      case 'leadership':
        this.#known.handles.closeAll();
        return;
      case 'open':
        this.#open(record);
        return;
      case 'write':
        this.#write(sequence, record, data);
        return;
      case 'set-handle-attributes': {
        const inode = this.#known.handles.inodeOf(record.handle);
        if (inode !== null) this.#known.setFileAttributes(inode, record.attributes);
        return;
      }
      case 'close':
        this.#known.handles.close(record.handle);
        return;
      case 'set-attributes':
        this.#setAttributes(record);
        return;
      case 'rename':
        this.#rename(toKey(record.from), toKey(record.to));
        return;
      case 'remove':
      case 'rmdir':
        this.#known.define(toKey(record.path), null);
        return;
      case 'mkdir':
        this.#known.define(toKey(record.path), { kind: 'directory', mode: record.mode });
        return;
      case 'symlink':
        this.#known.define(toKey(record.path), { kind: 'symlink', target: toKey(record.target) });
        return;
      case 'link':
        this.#link(toKey(record.existing), toKey(record.path));
        return;
      case 'suspect':
        for (const { path, scope } of record.names) this.#known.doubt(toKey(path), scope);
        for (const range of record.ranges) this.#doubtRange(sequence, range);
        return;
      case 'sync':
      case 'state':
        return;
    }
  }

  #open(record: RecordOf<'open'>): void {
    const path = toKey(record.path);
    if (record.created) {
      const inode = this.#known.define(path, { kind: 'file', mode: record.mode });
      this.#known.handles.bind(record.handle, { inode, path });
      return;
    }
    const found = this.#known.lookUp(path);
    const inode = found?.kind === 'file' ? found.inode : null;
    if (inode === null) this.#known.doubtFile(path, record.otherNames);
    this.#known.handles.bind(record.handle, { inode, path });
    if (inode !== null && record.truncate) this.#known.setFileAttributes(inode, { size: 0 });
  }

  #write(sequence: number, { handle, offset, length }: RecordOf<'write'>, data: Uint8Array | null): void {
    const inode = this.#known.handles.inodeOf(handle);
    if (inode === null) return;
    if (data !== null) {
      this.#known.tree.write(inode, offset, data);
      this.#known.doubts.know(inode, offset, offset + length);
      return;
    }
    const end = offset + length;
    const size = this.#known.tree.sizeOf(inode);
    if (size !== undefined && size < end) this.#known.tree.setFileAttributes(inode, { size: end });
    this.#known.doubts.lack(inode, offset, end, sequence);
  }

  #setAttributes({ path: at, attributes, otherNames }: RecordOf<'set-attributes'>): void {
    const path = toKey(at);
    const found = this.#known.lookUp(path);
    if (found === null) this.#known.doubtFile(path, otherNames);
    else if (found.kind === 'file') this.#known.setFileAttributes(found.inode, attributes);
    else if (found.kind !== 'other') this.#known.tree.setAttributesAt(path, attributes);
  }

  #rename(from: TreePath, to: TreePath): void {
    const found = this.#known.lookUp(from);
    if (found === null || !this.#known.doubts.names.mayDefine(to)) {
      this.#known.doubtRename(from, to);
      return;
    }
    this.#known.forgetListed(to);
    this.#known.forgetListed(from);
    const replaced = this.#known.tree.find(to);
    this.#known.tree.rename(from, to);
    this.#known.lostName(replaced);
    this.#known.doubts.move(from, to);
    this.#known.handles.move(from, to);
  }

  #link(existing: TreePath, path: TreePath): void {
    const found = this.#known.lookUp(existing);
    if (found?.kind !== 'file' || !this.#known.doubts.names.mayDefine(path)) {
      this.#known.doubt(path, 'tree');
      return;
    }
    this.#known.clear(path, 'record');
    this.#known.tree.link(found.inode, path);
    this.#known.doubts.settle(path, 'tree');
  }

  #doubtRange(sequence: number, { paths, offset, length }: SuspectRange): void {
    const names = paths.map(toKey);
    const known = this.#known.fileByName(names);
    if (known !== null) this.#known.doubts.lack(known, offset, offset + length, sequence, true);
    else for (const name of names) this.#known.doubt(name, 'name');
  }
}
