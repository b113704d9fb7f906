import type { DoubtChange, DoubtState } from '../core/doubts.ts';
import type { LocalRecord } from '../core/local-record.ts';
import type { Inode } from '../core/tree.ts';
import { fromKey } from '../tree/path.ts';

const maxRecordChanges = 2000;
const maxRecordBytes = 512 * 1024;
/** More than this is not noted change by change: then all of the tree is doubted at the next start. */
const maxNotedBytes = 16 * 1024 * 1024;

const rootIsUncertain: LocalRecord = {
  kind: 'doubts',
  changes: [{ kind: 'mark', path: '', scope: 'tree' }],
};

/** What a host has to note with the next entry of its log: changes of what it doubts, in order, and bound handles. */
export class HostNotes {
  readonly #hintOf: (inode: Inode) => string | null;
  #changes: DoubtChange[] = [];
  #bytes = 0;
  readonly #opened = new Map<number, Inode>();

  /** @param hintOf a name by which the file may be found */
  constructor(hintOf: (inode: Inode) => string | null) {
    this.#hintOf = hintOf;
  }

  get isEmpty(): boolean {
    return this.#changes.length === 0 && this.#opened.size === 0;
  }

  changed(change: DoubtChange): void {
    this.#bytes += sizeOf(change);
    if (this.#bytes <= maxNotedBytes) this.#changes.push(change);
    else this.#changes = [];
  }

  opened(handle: number, inode: Inode): void {
    this.#opened.set(handle, inode);
  }

  /** What is to be noted, to be written in one entry. @param applied the last record that was made */
  records(applied: number): LocalRecord[] {
    return [
      { kind: 'applied', sequence: applied },
      ...[...this.#opened].map(([handle, inode]) => ({ kind: 'opened', handle, inode }) as const),
      ...(this.#bytes > maxNotedBytes ? [rootIsUncertain] : this.#doubts()),
    ];
  }

  /** They are in the log. */
  clear(): void {
    this.#changes = [];
    this.#bytes = 0;
    this.#opened.clear();
  }

  *#doubts(): Generator<LocalRecord> {
    for (const change of this.#changes) {
      const path = change.kind === 'lack' ? this.#hintOf(change.inode) : null;
      if (change.kind === 'lack' && path !== null) {
        yield { kind: 'named', inode: change.inode, path: fromKey(path) };
      }
    }
    yield* inRecords(this.#changes);
  }
}

/** All that is doubted, as changes from nothing. */
export function* doubtRecords(
  { names, missing }: DoubtState,
  hintOf: (inode: Inode) => string | null,
): Generator<LocalRecord> {
  for (const { inode } of missing) {
    const path = hintOf(inode);
    if (path !== null) yield { kind: 'named', inode, path: fromKey(path) };
  }
  yield* inRecords([
    ...names.flatMap(({ path, scope, knownUpTo }): DoubtChange[] => [
      { kind: 'mark', path, scope },
      ...(knownUpTo === undefined ? [] : [{ kind: 'settle-entries', path, upTo: knownUpTo } as const]),
    ]),
    ...missing.flatMap(({ inode, ranges }) =>
      ranges.map(({ from, to, since, mayBeSame = false }): DoubtChange => {
        return { kind: 'lack', inode, from, to, since, mayBeSame };
      }),
    ),
  ]);
}

function* inRecords(changes: readonly DoubtChange[]): Generator<LocalRecord> {
  let part: DoubtChange[] = [];
  let bytes = 0;
  for (const change of changes) {
    part.push(change);
    bytes += sizeOf(change);
    if (part.length < maxRecordChanges && bytes < maxRecordBytes) continue;
    yield { kind: 'doubts', changes: part };
    part = [];
    bytes = 0;
  }
  if (part.length > 0) yield { kind: 'doubts', changes: part };
}

function sizeOf(change: DoubtChange): number {
  if (change.kind === 'move') return 32 + change.from.length + change.to.length;
  return 'path' in change ? 64 + change.path.length : 64;
}
