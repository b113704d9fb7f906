import { Doubts } from '../core/doubts.ts';
import type { LocalRecord } from '../core/local-record.ts';
import type { ReplicaState } from '../core/replica.ts';
import type { Inode } from '../core/tree.ts';
import type { EntrySinceCheckpoint } from '../log/entries-since.ts';
import { HandleTable, type OpenHandle } from '../log/handle-table.ts';
import { decodeLocalRecords, encodeLocalRecords } from '../log/local-record-codec.ts';
import type { DecodedRecord } from '../log/record-codec.ts';
import { maxStateBytes } from '../log/segment-header.ts';
import { rootPath, toKey } from '../tree/path.ts';
import type { Active } from './activity.ts';

/** The root is uncertain, and active: what is said where there is no room to say more. */
export const uncertainRoot: readonly LocalRecord[] = [
  { kind: 'active', directories: [], files: [], trees: [rootPath] },
  { kind: 'doubts', changes: [{ kind: 'mark', path: '', scope: 'tree' }] },
];

/** What a segment of the log begins with: the records of its own from which the host knows again what it must. */
export function encodeState(records: readonly LocalRecord[]): Buffer {
  const bytes = encodeLocalRecords(records);
  if (bytes.length <= maxStateBytes) return bytes;
  const small = records.filter(
    ({ kind }) => kind === 'applied' || kind === 'checkpoint-begins' || kind === 'checkpoint',
  );
  return encodeLocalRecords([...small, ...uncertainRoot]);
}

/** What the own records of a log amount to, at its end. */
export class NotedState {
  #doubts = new Doubts();
  readonly #handles: HandleTable;
  /** By the checkpoint that ended behind them. */
  #active: { id: number | null; records: Active[] }[] = [{ id: null, records: [] }];
  #checkpoint = 0;
  #unmade: { readonly sequence: number; readonly record: DecodedRecord }[] = [];
  readonly #names = new Map<Inode, string>();

  /** @param handles open as of the checkpoint */
  constructor(state: Buffer, handles: ReadonlyMap<number, OpenHandle>) {
    this.#handles = new HandleTable(handles);
    for (const record of decodeLocalRecords(state)) this.#take(record);
  }

  take(entry: EntrySinceCheckpoint): void {
    if (entry.kind === 'local') for (const record of entry.records) this.#take(record);
    else
      for (const [index, record] of entry.records.entries())
        this.#unmade.push({ sequence: entry.batch.first + index, record });
  }

  get doubts(): ReplicaState['doubts'] {
    return this.#doubts.state;
  }

  /** As of the last record that is known to be made. */
  get handles(): ReadonlyMap<number, OpenHandle> {
    return this.#handles.handles;
  }

  /** In the log, and not known to be made. */
  get unmade(): readonly DecodedRecord[] {
    return this.#unmade.map(({ record }) => record);
  }

  /** Names by which files that lack ranges may be found. */
  get names(): ReadonlyMap<Inode, string> {
    return this.#names;
  }

  /** What may differ from the disk's last checkpoint. */
  get active(): Active {
    const records = this.#active.flatMap(({ records }) => records);
    return {
      kind: 'active',
      directories: records.flatMap(({ directories }) => directories),
      files: records.flatMap(({ files }) => files),
      trees: records.flatMap(({ trees }) => trees),
    };
  }

  get lastCheckpoint(): number {
    return this.#checkpoint;
  }

  #take(record: LocalRecord): void {
    switch (record.kind) {
      case 'active':
        this.#active.at(-1)?.records.push(copiedActive(record));
        return;
      case 'checkpoint-begins':
        this.#checkpoint = Math.max(this.#checkpoint, record.id);
        this.#active.push({ id: record.id, records: [] });
        return;
      case 'checkpoint': {
        this.#checkpoint = Math.max(this.#checkpoint, record.id);
        const from = this.#active.findLastIndex(({ id }) => id === record.id);
        if (from > 0) this.#active = this.#active.slice(from);
        return;
      }
      case 'doubts':
        for (const change of record.changes) this.#doubts.make(change);
        return;
      case 'named':
        this.#names.set(record.inode, toKey(record.path));
        return;
      case 'opened':
        this.#handles.bind(record.handle, record.inode);
        return;
      case 'applied': {
        for (const { sequence, record: made } of this.#unmade)
          if (sequence <= record.sequence) this.#made(made);
        this.#unmade = this.#unmade.filter(({ sequence }) => sequence > record.sequence);
        return;
      }
      case 'flushed':
        return;
    }
  }

  #made(record: DecodedRecord): void {
    this.#handles.apply(record);
    if (record.kind !== 'rename') return;
    const [from, to] = [toKey(record.from), toKey(record.to)];
    for (const [inode, path] of this.#names) {
      if (path === from || path.startsWith(`${from}/`)) this.#names.set(inode, to + path.slice(from.length));
    }
  }
}

/** What is read are views of a larger buffer. */
function copiedActive({ kind, directories, files, trees }: Active): Active {
  const copies = (paths: readonly Buffer[]) => paths.map((path) => Buffer.from(path));
  return { kind, directories: copies(directories), files: copies(files), trees: copies(trees) };
}
