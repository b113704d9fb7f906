import type { LogRecord } from '../../../replicator/core/record.ts';
import { isWithin, type TreePath } from '../../../replicator/core/uncertain-names.ts';
import type { VirtualDisk } from './disk.ts';

interface ReferenceFile {
  mode: number;
  data: Buffer;
}

type Entry =
  | { readonly kind: 'file'; readonly file: ReferenceFile }
  | { readonly kind: 'directory'; mode: number }
  | { readonly kind: 'symlink'; readonly target: string };

/** What records mean, written down a second time and as plainly as can be: what a leader's tree has to be after them. */
export class Reference {
  readonly #entries = new Map<TreePath, Entry>();
  readonly #handles = new Map<number, ReferenceFile>();

  /** As the tree is when a leadership begins. */
  constructor(disk: VirtualDisk) {
    const files = new Map<bigint, ReferenceFile>();
    for (const path of disk.snapshot().keys()) {
      const found = disk.find(path);
      if (found?.kind === 'symlink') this.#entries.set(path, found);
      if (found?.kind === 'directory') this.#entries.set(path, { ...found });
      if (found?.kind !== 'file') continue;
      const { inode, mode, size } = found;
      const file = files.get(inode) ?? { mode, data: Buffer.from(disk.read(inode, 0, size)) };
      files.set(inode, file);
      this.#entries.set(path, { kind: 'file', file });
    }
  }

  make(record: LogRecord, data: Uint8Array | null): void {
    switch (record.kind) {
      case 'open': {
        const path = record.path.toString('latin1');
        if (record.created) {
          const file = { mode: record.mode, data: Buffer.alloc(0) };
          this.#entries.set(path, { kind: 'file', file });
        }
        const file = this.#file(path);
        if (record.truncate) file.data = Buffer.alloc(0);
        this.#handles.set(record.handle, file);
        return;
      }
      case 'write': {
        const file = this.#open(record.handle);
        const end = record.offset + record.length;
        if (file.data.length < end) file.data = resized(file.data, end);
        file.data.set(data ?? [], record.offset);
        return;
      }
      case 'set-handle-attributes':
        change(this.#open(record.handle), record.attributes);
        return;
      case 'close':
        this.#handles.delete(record.handle);
        return;
      case 'set-attributes': {
        const entry = this.#entries.get(record.path.toString('latin1'));
        if (entry?.kind === 'file') change(entry.file, record.attributes);
        if (entry?.kind === 'directory') entry.mode = record.attributes.mode ?? entry.mode;
        return;
      }
      case 'rename':
        this.#rename(record.from.toString('latin1'), record.to.toString('latin1'));
        return;
      case 'remove':
      case 'rmdir':
        this.#entries.delete(record.path.toString('latin1'));
        return;
      case 'mkdir':
        this.#entries.set(record.path.toString('latin1'), { kind: 'directory', mode: record.mode });
        return;
      case 'symlink':
        this.#entries.set(record.path.toString('latin1'), {
          kind: 'symlink',
          target: record.target.toString('latin1'),
        });
        return;
      case 'link':
        this.#entries.set(record.path.toString('latin1'), {
          kind: 'file',
          file: this.#file(record.existing.toString('latin1')),
        });
        return;
      case 'leadership':
        this.#handles.clear();
        return;
    }
  }

  /** In the form of the disk's. */
  snapshot(): Map<TreePath, string> {
    return new Map(
      [...this.#entries].map(([path, entry]) => {
        if (entry.kind === 'symlink') return [path, `symlink ${entry.target}`];
        if (entry.kind === 'directory') return [path, `directory ${entry.mode}`];
        const { mode, data } = entry.file;
        return [path, `file ${mode} ${data.toString('hex')} ${this.#namesOf(entry.file).join(' ')}`];
      }),
    );
  }

  #rename(from: TreePath, to: TreePath): void {
    this.#entries.delete(to);
    for (const [path, entry] of [...this.#entries]) {
      if (!isWithin(path, from)) continue;
      this.#entries.delete(path);
      this.#entries.set(to + path.slice(from.length), entry);
    }
  }

  #namesOf(file: ReferenceFile): TreePath[] {
    return [...this.#entries]
      .flatMap(([path, entry]) => ('file' in entry && entry.file === file ? [path] : []))
      .sort();
  }

  #file(path: TreePath): ReferenceFile {
    const entry = this.#entries.get(path);
    if (entry?.kind !== 'file') throw new Error(`no file at '${path}'`);
    return entry.file;
  }

  #open(handle: number): ReferenceFile {
    const file = this.#handles.get(handle);
    if (file === undefined) throw new Error(`handle ${handle} is not open`);
    return file;
  }
}

function change(
  file: ReferenceFile,
  { size, mode }: { readonly size?: number; readonly mode?: number },
): void {
  if (mode !== undefined) file.mode = mode;
  if (size !== undefined) file.data = resized(file.data, size);
}

function resized(data: Buffer, size: number): Buffer {
  const changed = Buffer.alloc(size);
  data.copy(changed, 0, 0, size);
  return changed;
}
