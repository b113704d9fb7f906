import { type EntriesPage, firstBehind, type NameAnswer } from './answers.ts';
import { type DoubtChange, type DoubtState, Doubts, noDoubts } from './doubts.ts';
import type { MissingRange } from './missing-ranges.ts';
import type { LoggedAttributes, LogRecord, Scope, SuspectRange } from './record.ts';
import type { Found, Inode, NewEntry, Removal, Tree } from './tree.ts';
import { isWithin, joinPath, type TreePath } from './uncertain-names.ts';

/** An open handle of a client. Without inode: of a file that is not known here, or has no name any more. */
export interface Handle {
  readonly inode: Inode | null;
  /** Where the file is now; null when it was removed or replaced. */
  readonly path: TreePath | null;
}

export interface ReplicaState {
  readonly doubts: DoubtState;
  readonly handles: readonly (Handle & { readonly handle: number })[];
}

export const emptyReplica: ReplicaState = { doubts: noDoubts, handles: [] };

/** What the leader is to be asked for. */
export type Want =
  | { readonly kind: 'name'; readonly path: TreePath }
  /** The next page of names: those behind `after`, or from the first on. */
  | { readonly kind: 'entries'; readonly path: TreePath; readonly after: string | null }
  /** `digest`: what lies there may be right; it is compared before it is fetched. */
  | {
      readonly kind: 'content' | 'digest';
      readonly path: TreePath;
      readonly from: number;
      readonly to: number;
    };

/** While so many files can be asked for content, no more names are asked for: what is missing stays bounded. */
const filesAhead = 4096;
/** Shorter ranges are fetched without a comparison. */
const comparedBytes = 64 * 1024;

/**
 * A tree that follows the log: the one way in which records change files, on the leader, where everything is certain,
 * as on a follower that lacks a part (design, rules R1 to R7). Records are consumed in order and without gaps; what
 * cannot be applied for want of certainty makes names uncertain, and those are asked for and answered at one position
 * of the same stream, so an answer is about the tree as it is when it is received.
 */
export class Replica {
  readonly #tree: Tree;
  readonly #doubts: Doubts;
  readonly #handles = new Map<number, Handle>();
  readonly #comparedBytes: number;
  /** The names that this host has in the directory of which pages come, ascending: it is not read for each page. */
  #listed: { readonly path: TreePath; readonly names: readonly string[]; upTo: string } | null = null;

  /**
   * @param onDoubt is told each change of what is doubted
   * @param compared ranges of files that are at least so long, in bytes, are compared before they are fetched
   */
  constructor(
    tree: Tree,
    state: ReplicaState = emptyReplica,
    onDoubt: (change: DoubtChange) => void = () => {},
    compared = comparedBytes,
  ) {
    this.#tree = tree;
    this.#comparedBytes = compared;
    this.#doubts = new Doubts(state.doubts, onDoubt);
    for (const { handle, inode, path } of state.handles) this.#bind(handle, { inode, path });
  }

  get handles(): ReadonlyMap<number, Handle> {
    return this.#handles;
  }

  get state(): ReplicaState {
    return {
      doubts: this.#doubts.state,
      handles: [...this.#handles].map(([handle, { inode, path }]) => ({ handle, inode, path })),
    };
  }

  /** Whether the tree is the leader's as of the last record consumed (R5, but for what is not flushed). */
  get isComplete(): boolean {
    this.#dropNameless();
    return this.#doubts.isEmpty;
  }

  /** Whether what lies at the path is the leader's, but for missing ranges of a file. */
  isCertain(path: TreePath): boolean {
    return this.#doubts.names.isCertain(path);
  }

  missingOf(inode: Inode): readonly MissingRange[] {
    return this.#doubts.missing.get(inode)?.ranges ?? [];
  }

  /** Does not know what the name is, from now on. */
  doubt(path: TreePath, scope: Scope): void {
    this.#forgetListed(path);
    this.#doubts.mark(path, scope);
  }

  /**
   * Does not know whether a record was made: it was in the log when the process died, or was made in a history that
   * is not the leader's (R6). `state` holds the handles as they were before it.
   */
  doubtRecord(record: LogRecord): void {
    switch (record.kind) {
      case 'open':
        this.#doubtFile(keyOf(record.path), record.otherNames);
        this.#bind(record.handle, { inode: null, path: keyOf(record.path) });
        return;
      case 'write':
      case 'set-handle-attributes':
        this.#doubtHandle(record.handle);
        return;
      case 'close':
        this.#unbind(record.handle);
        return;
      case 'leadership':
        this.#unbindAll();
        return;
      case 'set-attributes':
        this.#doubtFile(keyOf(record.path), record.otherNames);
        return;
      case 'rename':
        this.#doubtRename(keyOf(record.from), keyOf(record.to));
        return;
      case 'remove':
      case 'rmdir':
      case 'mkdir':
      case 'symlink':
      case 'link':
        this.#forgetHandlePaths(keyOf(record.path));
        this.doubt(keyOf(record.path), 'tree');
        return;
      case 'suspect':
        for (const { path, scope } of record.names) this.doubt(keyOf(path), scope);
        for (const { paths } of record.ranges) for (const path of paths) this.doubt(keyOf(path), 'name');
        return;
      case 'sync':
      case 'state':
        return;
    }
  }

  /**
   * Takes back a record that is not in the leader's history.
   * @param opened the files that handles were opened to, as far as they are known
   */
  doubtOwn(record: LogRecord, opened: ReadonlyMap<number, Inode>): void {
    if (record.kind !== 'write' && record.kind !== 'set-handle-attributes') {
      this.doubtRecord(record);
      return;
    }
    const inode = opened.get(record.handle);
    for (const name of inode === undefined ? [] : this.#tree.namesOf(inode)) this.doubt(name, 'name');
  }

  /**
   * The records after `common` are no more: what was missing since one of them is missing since `common`.
   * @param handles what was open at `common`, by the log
   */
  forgetAfter(common: number, handles: ReplicaState['handles']): void {
    this.#doubts.forgetAfter(common);
    for (const { inode, path } of handles) this.#doubtOpen({ inode, path });
    this.#unbindAll();
    for (const { handle, path } of handles) this.#bind(handle, { inode: null, path });
  }

  /** Does not know the files that are open: after a power cut, by which they may have become others. */
  doubtHandles(): void {
    for (const [handle, open] of this.#handles) {
      this.#doubtOpen(open);
      this.#bind(handle, { inode: null, path: open.path });
    }
  }

  /** What a new leader tells the others to ask it for: it has nobody to ask, and what it has counts. */
  doubts(): Extract<LogRecord, { kind: 'suspect' }> {
    this.#dropNameless();
    const names = [...this.#doubts.names.all()].map(({ path, scope }) => ({
      path: Buffer.from(path, 'latin1'),
      scope,
    }));
    const ranges = [...this.#doubts.missing].flatMap(([inode, { ranges: missing }]) => {
      const paths = this.#tree.namesOf(inode).map((path) => Buffer.from(path, 'latin1'));
      return missing.map(({ from, to }) => ({ paths, offset: from, length: to - from }));
    });
    return { kind: 'suspect', names, ranges };
  }

  /** From now on what lies here counts: on a leader, after its record of what it doubts. */
  trustAll(): void {
    this.#doubts.clear();
    this.#listed = null;
  }

  /**
   * Takes the next record.
   * @param data the bytes of a write; null when they did not come with it
   * @returns whether it was applied to the tree; else what it names is uncertain now
   */
  consume(sequence: number, record: LogRecord, data: Uint8Array | null): void {
    switch (record.kind) {
      case 'leadership':
        this.#unbindAll();
        return;
      case 'open':
        this.#open(record);
        return;
      case 'write':
        this.#write(sequence, record, data);
        return;
      case 'set-handle-attributes': {
        const inode = this.#handles.get(record.handle)?.inode;
        if (inode != null) this.#setFileAttributes(inode, record.attributes);
        return;
      }
      case 'close':
        this.#unbind(record.handle);
        return;
      case 'set-attributes':
        this.#setAttributes(record);
        return;
      case 'rename':
        this.#rename(keyOf(record.from), keyOf(record.to));
        return;
      case 'remove':
      case 'rmdir':
        this.#define(keyOf(record.path), null);
        return;
      case 'mkdir':
        this.#define(keyOf(record.path), { kind: 'directory', mode: record.mode });
        return;
      case 'symlink':
        this.#define(keyOf(record.path), { kind: 'symlink', target: keyOf(record.target) });
        return;
      case 'link':
        this.#link(keyOf(record.existing), keyOf(record.path));
        return;
      case 'suspect':
        for (const { path, scope } of record.names) this.doubt(keyOf(path), scope);
        for (const range of record.ranges) this.#doubtRange(sequence, range);
        return;
      case 'sync':
      case 'state':
        return;
    }
  }

  /** Another replica takes its place: nothing is held for this one any more. */
  releaseFiles(): void {
    this.#unbindAll();
  }

  /** What to ask the leader for next. Files take turns: the one that was answered last comes last. */
  *wants(): Generator<Want> {
    let files = 0;
    for (const [inode, { ranges }] of this.#doubts.missing) {
      const path = this.#tree.nameOf(inode);
      const [first] = ranges;
      if (path === null) this.#doubts.drop(inode);
      if (path === null || first === undefined || !this.#doubts.names.isCertain(path)) continue;
      files += 1;
      const { from, to } = first;
      const isCompared = first.mayBeSame === true && to - from >= this.#comparedBytes;
      yield { kind: isCompared ? 'digest' : 'content', path, from, to };
    }
    if (files >= filesAhead) return;
    for (const { path, scope, knownUpTo } of this.#doubts.names.topmost()) {
      if (scope === 'name') yield { kind: 'name', path };
      else yield { kind: 'entries', path, after: knownUpTo ?? null };
    }
  }

  /** @param sequence the last record consumed, which is the position of the answer */
  onName(sequence: number, path: TreePath, answer: NameAnswer): void {
    if (!this.#doubts.names.at(path).name || !this.#doubts.names.mayDefine(path)) return;
    switch (answer.kind) {
      case 'absent':
        this.#define(path, null, 'answer');
        return;
      case 'symlink': {
        const found = this.#tree.find(path);
        if (found?.kind === 'symlink' && found.target === answer.target) this.#doubts.settle(path, 'tree');
        else this.#define(path, answer, 'answer');
        return;
      }
      case 'directory':
        this.#settleDirectory(path, answer.mode);
        return;
      case 'file':
        this.#settleFile(sequence, path, answer);
        return;
    }
  }

  /** @param page a part of the names of the directory; null when the leader has no directory there */
  onEntries(path: TreePath, page: EntriesPage | null): void {
    const { name, entries, knownUpTo } = this.#doubts.names.at(path);
    if (name || entries === 'certain' || !this.#doubts.names.isCertain(path)) return;
    if (page === null || !this.#isDirectory(path)) {
      // After a power cut the directory that the mark is about may be something else, here or there.
      if (page !== null || this.#isDirectory(path)) this.doubt(path, 'tree');
      else this.#doubts.settleEntries(path, null);
      return;
    }
    // Of another range: what comes before it was doubted anew meanwhile.
    if (page.after !== knownUpTo) return;
    const scope = entries === 'trees' ? 'tree' : 'name';
    const own = this.#ownEntries(path, page);
    this.#doubts.settleEntries(path, page.upTo);
    const listed = new Set(page.names);
    for (const name of own) if (!listed.has(name)) this.#define(joinPath(path, name), null, 'answer');
    for (const name of page.names) this.#doubts.mark(joinPath(path, name), scope);
  }

  /** The leader has opened the file at the path: which file that is here; null when it is not known. */
  onOpened(path: TreePath): Inode | null {
    const found = this.#doubts.names.isCertain(path) ? this.#tree.find(path) : null;
    return found?.kind === 'file' ? found.inode : null;
  }

  /**
   * Content that the leader read at leisure; every record issued before it had read it was consumed before.
   * @param openedAt the position at which the leader opened the file
   */
  onContent(inode: Inode, openedAt: number, offset: number, data: Uint8Array): void {
    const missing = this.#doubts.missing.get(inode);
    for (const { from, to } of missing?.within(offset, offset + data.length, openedAt) ?? []) {
      this.#tree.write(inode, from, data.subarray(from - offset, to - offset));
      this.#doubts.know(inode, from, to);
    }
    this.#doubts.letOthersPass(inode);
  }

  /** What lies in the range is what the leader has, as it was compared; the conditions are those of `onContent`. */
  onSame(inode: Inode, openedAt: number, from: number, to: number): void {
    for (const same of this.#doubts.missing.get(inode)?.within(from, to, openedAt) ?? []) {
      this.#doubts.know(inode, same.from, same.to);
    }
    this.#doubts.letOthersPass(inode);
  }

  /** The comparison found a difference: the range is fetched. */
  onDifferent(inode: Inode, from: number, to: number): void {
    this.#doubts.expectDifferent(inode, from, to);
    this.#doubts.letOthersPass(inode);
  }

  /** The names that lie here in the range of a page. */
  #ownEntries(path: TreePath, { after, upTo }: EntriesPage): readonly string[] {
    const isNext = this.#listed !== null && this.#listed.path === path && this.#listed.upTo === after;
    const names = this.#listed !== null && isNext ? this.#listed.names : this.#tree.entries(path).sort();
    this.#listed = upTo === null ? null : { path, names, upTo };
    const from = after === null ? 0 : firstBehind(names, after);
    return names.slice(from, upTo === null ? undefined : firstBehind(names, upTo));
  }

  /** The directory at the path, or one above, is another one from now on, or is doubted. */
  #forgetListed(path: TreePath): void {
    if (this.#listed !== null && isWithin(this.#listed.path, path)) this.#listed = null;
  }

  #doubtRange(sequence: number, { paths, offset, length }: SuspectRange): void {
    const names = paths.map(keyOf);
    const known = this.#fileByName(names);
    if (known !== null) this.#doubts.lack(known, offset, offset + length, sequence, true);
    else for (const name of names) this.doubt(name, 'name');
  }

  #open(record: Extract<LogRecord, { kind: 'open' }>): void {
    const path = keyOf(record.path);
    if (record.created) {
      const inode = this.#define(path, { kind: 'file', mode: record.mode });
      this.#bind(record.handle, { inode, path });
      return;
    }
    const found = this.#lookUp(path);
    const inode = found?.kind === 'file' ? found.inode : null;
    if (inode === null) this.#doubtFile(path, record.otherNames);
    this.#bind(record.handle, { inode, path });
    if (inode !== null && record.truncate) this.#setFileAttributes(inode, { size: 0 });
  }

  #write(
    sequence: number,
    { handle, offset, length }: Extract<LogRecord, { kind: 'write' }>,
    data: Uint8Array | null,
  ): void {
    const inode = this.#handles.get(handle)?.inode ?? null;
    if (inode === null) return;
    if (data !== null) {
      this.#tree.write(inode, offset, data);
      this.#doubts.know(inode, offset, offset + length);
      return;
    }
    const end = offset + length;
    const size = this.#tree.sizeOf(inode);
    if (size !== undefined && size < end) this.#tree.setFileAttributes(inode, { size: end });
    this.#doubts.lack(inode, offset, end, sequence);
  }

  #setAttributes({ path: at, attributes, otherNames }: Extract<LogRecord, { kind: 'set-attributes' }>): void {
    const path = keyOf(at);
    const found = this.#lookUp(path);
    if (found === null) this.#doubtFile(path, otherNames);
    else if (found.kind === 'file') this.#setFileAttributes(found.inode, attributes);
    else if (found.kind !== 'other') this.#tree.setAttributesAt(path, attributes);
  }

  /** It changes, and is not known by this name: nor must it be trusted by the others. */
  #doubtFile(path: TreePath, otherNames: readonly Buffer[]): void {
    this.doubt(path, 'name');
    for (const name of otherNames) this.doubt(keyOf(name), 'name');
  }

  #setFileAttributes(inode: Inode, attributes: LoggedAttributes): void {
    this.#tree.setFileAttributes(inode, attributes);
    if (attributes.size !== undefined) this.#doubts.know(inode, attributes.size, Number.MAX_SAFE_INTEGER);
  }

  #rename(from: TreePath, to: TreePath): void {
    const found = this.#lookUp(from);
    if (found === null || !this.#doubts.names.mayDefine(to)) {
      this.#doubtRename(from, to);
      return;
    }
    this.#forgetListed(to);
    this.#forgetListed(from);
    this.#tree.rename(from, to);
    this.#doubts.move(from, to);
    this.#moveHandles(from, to);
  }

  #doubtRename(from: TreePath, to: TreePath): void {
    this.doubt(from, 'tree');
    this.doubt(to, 'tree');
    this.#moveHandles(from, to);
  }

  #doubtHandle(handle: number): void {
    this.#doubtOpen(this.#handles.get(handle) ?? { inode: null, path: null });
  }

  #doubtOpen({ inode, path }: Handle): void {
    if (path !== null) this.doubt(path, 'name');
    for (const name of inode === null ? [] : this.#tree.namesOf(inode)) this.doubt(name, 'name');
  }

  #link(existing: TreePath, path: TreePath): void {
    const found = this.#lookUp(existing);
    if (found?.kind !== 'file' || !this.#doubts.names.mayDefine(path)) {
      this.doubt(path, 'tree');
      return;
    }
    this.#clear(path, 'record');
    this.#tree.link(found.inode, path);
    this.#doubts.settle(path, 'tree');
  }

  /**
   * From now on this is what lies at the path, and nothing else, if its directory is known; else the name is uncertain.
   * @returns the inode of a new file; null when it could not be made here
   */
  #define(path: TreePath, entry: NewEntry | null, why: Removal = 'record'): Inode | null {
    this.#forgetHandlePaths(path);
    if (!this.#doubts.names.mayDefine(path)) {
      this.doubt(path, 'tree');
      return null;
    }
    this.#clear(path, why);
    this.#doubts.settle(path, 'tree');
    if (entry === null) return null;
    return entry.kind === 'file' ? this.#makeFile(path, entry.mode) : this.#tree.make(path, entry);
  }

  #clear(path: TreePath, why: Removal): void {
    this.#forgetListed(path);
    if (this.#tree.find(path) !== null) this.#tree.remove(path, why);
  }

  /** It lacks nothing, whatever a file lacked that had the same inode before. */
  #makeFile(path: TreePath, mode: number): Inode {
    const inode = this.#tree.make(path, { kind: 'file', mode });
    this.#doubts.drop(inode);
    return inode;
  }

  #settleDirectory(path: TreePath, mode: number): void {
    if (this.#tree.find(path)?.kind === 'directory') {
      this.#tree.setAttributesAt(path, { mode });
    } else {
      this.#clear(path, 'answer');
      this.#tree.make(path, { kind: 'directory', mode });
      this.doubt(path, 'tree');
    }
    this.#doubts.settle(path, 'name');
  }

  #settleFile(sequence: number, path: TreePath, answer: Extract<NameAnswer, { kind: 'file' }>): void {
    const { mode, size } = answer;
    const known = this.#fileByName(answer.names);
    const candidate = known ?? this.#fileByHandle(answer.handles) ?? this.#ownFile(path);
    const inode = this.#putFile(path, candidate, mode);
    this.#doubts.settle(path, 'tree');
    if (inode !== known) {
      this.#tree.setFileAttributes(inode, { mode, size });
      this.#doubts.know(inode, 0, Number.MAX_SAFE_INTEGER);
      this.#doubts.lack(inode, 0, size, sequence, inode === candidate);
      // One of them may have been this file here; it is asked for by itself, and finds this one.
      for (const name of answer.names) if (name !== path) this.doubt(name, 'name');
    }
    for (const handle of answer.handles) this.#bind(handle, { inode, path });
  }

  /** The file when it is known here by another name: then so is its content, but for the ranges that it lacks. */
  #fileByName(names: readonly TreePath[]): Inode | null {
    for (const name of names) {
      const found = this.#lookUp(name);
      if (found?.kind === 'file') return found.inode;
    }
    return null;
  }

  /** The file when it is open here: it may have been changed by another name meanwhile. */
  #fileByHandle(handles: readonly number[]): Inode | null {
    for (const handle of handles) {
      const inode = this.#handles.get(handle)?.inode ?? null;
      if (inode !== null && this.#tree.nameOf(inode) !== null) return inode;
    }
    return null;
  }

  /** The file that lies at the path here, when it can be no other's: its content is as good as any to begin with. */
  #ownFile(path: TreePath): Inode | null {
    const found = this.#tree.find(path);
    if (found?.kind !== 'file' || found.links !== 1) return null;
    const isOpen = [...this.#handles.values()].some(({ inode }) => inode === found.inode);
    return isOpen ? null : found.inode;
  }

  /** Has this file at the path, or a new one when there is none or it has no name left. */
  #putFile(path: TreePath, inode: Inode | null, mode: number): Inode {
    const found = this.#tree.find(path);
    if (inode !== null && found?.kind === 'file' && found.inode === inode) return inode;
    this.#clear(path, 'answer');
    if (inode !== null && this.#tree.link(inode, path)) return inode;
    return this.#makeFile(path, mode);
  }

  #lookUp(path: TreePath): Found | null {
    return this.#doubts.names.isCertain(path) ? this.#tree.find(path) : null;
  }

  #isDirectory(path: TreePath): boolean {
    return path === '' || this.#tree.find(path)?.kind === 'directory';
  }

  /** A file without a name is never fetched (R3). */
  #dropNameless(): void {
    for (const inode of this.#doubts.missing.keys()) {
      if (this.#tree.nameOf(inode) === null) this.#doubts.drop(inode);
    }
  }

  #bind(handle: number, { inode, path }: Handle): void {
    const before = this.#handles.get(handle)?.inode ?? null;
    this.#handles.set(handle, { inode, path });
    if (before === inode) return;
    if (inode !== null) this.#tree.hold(inode);
    if (before !== null) this.#tree.release(before);
  }

  #unbind(handle: number): void {
    const inode = this.#handles.get(handle)?.inode ?? null;
    this.#handles.delete(handle);
    if (inode !== null) this.#tree.release(inode);
  }

  #unbindAll(): void {
    for (const handle of [...this.#handles.keys()]) this.#unbind(handle);
  }

  #moveHandles(from: TreePath, to: TreePath): void {
    this.#forgetHandlePaths(to);
    for (const [handle, { inode, path }] of this.#handles) {
      if (path === null || !isWithin(path, from)) continue;
      this.#bind(handle, { inode, path: to + path.slice(from.length) });
    }
  }

  #forgetHandlePaths(path: TreePath): void {
    for (const [handle, { inode, path: at }] of this.#handles) {
      if (at !== null && isWithin(at, path)) this.#bind(handle, { inode, path: null });
    }
  }
}

function keyOf(path: Buffer): TreePath {
  return path.toString('latin1');
}
