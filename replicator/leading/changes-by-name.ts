import type { NameAtRisk } from '#contracts/ipc/at-risk.ts';
import type { LoggedAttributes } from '../core/record.ts';
import { HandleTable, type OpenHandle } from '../log/handle-table.ts';
import type { DecodedRecord } from '../log/record-codec.ts';
import { toKey } from '../tree/path.ts';

/** A name in the tree of names that changed, and when it did last, as sequences of the log; 0: never. */
interface Entry {
  /** What lies there, or what it contains, is another than before. */
  stored: number;
  attributes: number;
  removed: number;
  /** When it was made where nothing was; 0: it may have been there before. */
  created: number;
  readonly below: Map<string, Entry>;
}

export interface ChangedName extends NameAtRisk {
  readonly sequence: number;
}

/** Which names a part of the log changed, by the records alone: what they lead to, not each step. */
export class ChangesByName {
  readonly #handles: HandleTable;
  readonly #maxNames: number;
  /** Of files that are written to by one of their names: the others (hard links), as they were when it was opened. */
  readonly #otherNames = new Map<number, readonly Buffer[]>();
  readonly #root = entry();
  #names = 0;
  #isWhole = true;
  /** Names were forgotten that a host lacks the removal of which has everything up to here, or more, */
  #forgottenFrom = Number.POSITIVE_INFINITY;
  /** and less than this. */
  #forgottenTo = 0;

  /**
   * @param handles open where the part begins
   * @param maxNames that are kept in memory; changes of others are not told
   */
  constructor(handles: ReadonlyMap<number, OpenHandle>, maxNames: number) {
    this.#handles = new HandleTable(handles);
    this.#maxNames = maxNames;
  }

  /** Whether every name is told that changed for a host that has everything up to a sequence. */
  isWholeFor(held: number): boolean {
    return this.#isWhole && (held < this.#forgottenFrom || held >= this.#forgottenTo);
  }

  /** Takes the next record. */
  take(sequence: number, record: DecodedRecord): void {
    switch (record.kind) {
      case 'open':
        if (record.created) this.#create(record.path, sequence);
        else if (record.truncate) this.#storeAll([record.path, ...record.otherNames], sequence);
        // The record's names are views of a batch.
        if (record.otherNames.length > 0) {
          this.#otherNames.set(
            record.handle,
            record.otherNames.map((name) => Buffer.from(name)),
          );
        }
        break;
      case 'write':
        this.#storeAll(this.#namesOf(record.handle), sequence);
        break;
      case 'set-handle-attributes':
        this.#setAttributes(this.#namesOf(record.handle), record.attributes, sequence);
        break;
      case 'set-attributes':
        this.#setAttributes([record.path, ...record.otherNames], record.attributes, sequence);
        break;
      case 'close':
        this.#otherNames.delete(record.handle);
        break;
      case 'leadership':
        this.#otherNames.clear();
        break;
      case 'mkdir':
      case 'symlink':
      case 'link':
        this.#create(record.path, sequence);
        break;
      case 'rename':
        this.#rename(record.from, record.to, sequence);
        break;
      case 'remove':
      case 'rmdir':
        this.#remove(record.path, sequence);
        break;
      case 'suspect':
        for (const { path } of record.names) this.#store(path, sequence);
        for (const { paths } of record.ranges) this.#storeAll(paths, sequence);
        break;
    }
    this.#handles.apply(record);
  }

  /**
   * What changed for a host that has everything up to a sequence: the newest first. A name that was made and removed
   * since is not told: that host never had it.
   */
  since(held: number): ChangedName[] {
    const changed: ChangedName[] = [];
    visit(this.#root, '', (path, name) => {
      const change = changeOf(name, held);
      if (change !== null) changed.push({ path, change, sequence: lastOf(name) });
    });
    return changed.sort((one, other) => other.sequence - one.sequence);
  }

  /**
   * Forgets what every host has, and names that were made and removed where no host has seen them.
   * @param least every host of interest has everything up to here
   * @param most none of them has everything up to a sequence behind this
   */
  forget(least: number, most: number): void {
    this.#names = 0;
    const keep = (name: Entry): boolean => {
      for (const [part, below] of name.below) if (!keep(below)) name.below.delete(part);
      const wasNeverSeen = name.removed > name.stored && name.created > most;
      const isKept = name.below.size > 0 || (lastOf(name) > least && !wasNeverSeen);
      if (isKept) this.#names += 1;
      else if (wasNeverSeen) this.#forgetRemoval(name);
      return isKept;
    };
    keep(this.#root);
  }

  #forgetRemoval({ created, removed }: Entry): void {
    this.#forgottenFrom = Math.min(this.#forgottenFrom, created);
    this.#forgottenTo = Math.max(this.#forgottenTo, removed);
  }

  #namesOf(handle: number): Buffer[] {
    const path = this.#handles.handles.get(handle)?.path ?? null;
    return [...(path === null ? [] : [path]), ...(this.#otherNames.get(handle) ?? [])];
  }

  #setAttributes(paths: readonly Buffer[], attributes: LoggedAttributes, sequence: number): void {
    if (attributes.size !== undefined) {
      this.#storeAll(paths, sequence);
      return;
    }
    for (const path of paths) {
      const name = this.#at(path);
      if (name !== null) name.attributes = sequence;
    }
  }

  #create(path: Buffer, sequence: number): void {
    const isNew = this.#find(path) === null;
    const name = this.#store(path, sequence);
    if (isNew && name !== null) name.created = sequence;
  }

  #storeAll(paths: readonly Buffer[], sequence: number): void {
    for (const path of paths) this.#store(path, sequence);
  }

  #store(path: Buffer, sequence: number): Entry | null {
    const name = this.#at(path);
    if (name !== null) name.stored = sequence;
    return name;
  }

  #remove(path: Buffer, sequence: number): void {
    const name = this.#at(path);
    if (name === null) return;
    name.removed = sequence;
    name.below.clear();
  }

  #rename(from: Buffer, to: Buffer, sequence: number): void {
    if (from.equals(to)) return;
    const below = [...(this.#find(from)?.below ?? [])];
    this.#remove(from, sequence);
    const target = this.#store(to, sequence);
    if (target === null) return;
    target.below.clear();
    for (const [part, name] of below) target.below.set(part, name);
  }

  #find(path: Buffer): Entry | null {
    let at: Entry | undefined = this.#root;
    for (const part of partsOf(path)) at = at?.below.get(part);
    return at ?? null;
  }

  /** @returns null when it is new and there is no room for it */
  #at(path: Buffer): Entry | null {
    let at = this.#root;
    for (const part of partsOf(path)) {
      let next = at.below.get(part);
      if (next === undefined) {
        if (this.#names >= this.#maxNames) {
          this.#isWhole = false;
          return null;
        }
        next = entry();
        at.below.set(part, next);
        this.#names += 1;
      }
      at = next;
    }
    return at;
  }
}

function entry(): Entry {
  return { stored: 0, attributes: 0, removed: 0, created: 0, below: new Map() };
}

function partsOf(path: Buffer): string[] {
  return path.length === 0 ? [] : toKey(path).split('/');
}

function lastOf({ stored, attributes, removed }: Entry): number {
  return Math.max(stored, attributes, removed);
}

function changeOf(name: Entry, held: number): NameAtRisk['change'] | null {
  const { stored, attributes, removed, created } = name;
  if (removed > Math.max(stored, attributes)) return removed > held && created <= held ? 'removed' : null;
  if (stored > held) return 'stored';
  return attributes > held ? 'attributes' : null;
}

/** Goes over a tree of names; paths are keys. */
function visit(name: Entry, path: string, found: (path: string, name: Entry) => void): void {
  found(path, name);
  for (const [part, below] of name.below) visit(below, path === '' ? part : `${path}/${part}`, found);
}
