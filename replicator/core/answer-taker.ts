import type { EntriesPage, NameAnswer } from './answers.ts';
import type { DoubtedTree } from './doubted-tree.ts';
import type { Found, Inode } from './tree.ts';
import { joinPath, type TreePath } from './uncertain-names.ts';

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

/** Asks the leader for what is doubted, and takes its answers (R4). */
export class AnswerTaker {
  readonly #known: DoubtedTree;
  readonly #comparedBytes: number;

  /**
   * @param compared ranges of files that are at least so long, in bytes, are compared before they are fetched; infinity:
   *   what lies here is not believed, and all of it is written anew
   */
  constructor(known: DoubtedTree, compared = comparedBytes) {
    this.#known = known;
    this.#comparedBytes = compared;
  }

  /** What to ask the leader for next. Files take turns: the one that was answered last comes last. */
  *wants(): Generator<Want> {
    let files = 0;
    for (const [inode, { ranges }] of this.#known.doubts.missing) {
      const path = this.#known.tree.nameOf(inode);
      const [first] = ranges;
      if (path === null) this.#known.doubts.drop(inode);
      if (path === null || first === undefined || !this.#known.doubts.names.isCertain(path)) continue;
      files += 1;
      const { from, to } = first;
      const isCompared = first.mayBeSame === true && to - from >= this.#comparedBytes;
      yield { kind: isCompared ? 'digest' : 'content', path, from, to };
    }
    if (files >= filesAhead) return;
    for (const { path, scope, knownUpTo } of this.#known.doubts.names.topmost()) {
      if (scope === 'name') yield { kind: 'name', path };
      else yield { kind: 'entries', path, after: knownUpTo ?? null };
    }
  }

  /** @param sequence the last record consumed, which is the position of the answer */
  onName(sequence: number, path: TreePath, answer: NameAnswer): void {
    if (!this.#known.doubts.names.at(path).name || !this.#known.doubts.names.mayDefine(path)) return;
    switch (answer.kind) {
      case 'absent':
        this.#known.define(path, null, 'absent');
        return;
      case 'symlink': {
        const found = this.#known.tree.find(path);
        if (found?.kind === 'symlink' && found.target === answer.target)
          this.#known.doubts.settle(path, 'tree');
        else this.#known.define(path, answer, 'displaced');
        this.#known.tree.setAttributesAt(path, answer.times);
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
    const { name, entries, knownUpTo } = this.#known.doubts.names.at(path);
    if (name || entries === 'certain' || !this.#known.doubts.names.isCertain(path)) return;
    if (page === null || !this.#known.isDirectory(path)) {
      // After a power cut the directory that the mark is about may be something else, here or there.
      if (page !== null || this.#known.isDirectory(path)) this.#known.doubt(path, 'tree');
      else this.#known.doubts.settleEntries(path, null);
      return;
    }
    // Of another range: what comes before it was doubted anew meanwhile.
    if (page.after !== knownUpTo) return;
    const scope = entries === 'trees' ? 'tree' : 'name';
    const own = this.#known.ownEntries(path, page);
    // Its names are marked before nothing else is doubted of it: so it keeps its place, and they come next. Else all of the
    // tree would be listed before anything is compared, and kept in mind.
    this.#known.doubts.settleEntries(path, page.upTo ?? page.names.at(-1) ?? null);
    for (const name of page.names) this.#known.doubts.mark(joinPath(path, name), scope);
    this.#known.doubts.settleEntries(path, page.upTo);
    const listed = new Set(page.names);
    for (const name of own) if (!listed.has(name)) this.#known.define(joinPath(path, name), null, 'absent');
  }

  /** The leader has opened the file at the path: which file that is here; null when it is not known. */
  onOpened(path: TreePath): Inode | null {
    const found = this.#known.doubts.names.isCertain(path) ? this.#known.tree.find(path) : null;
    return found?.kind === 'file' ? found.inode : null;
  }

  /**
   * Content that the leader read at leisure; every record issued before it had read it was consumed before.
   * @param openedAt the position at which the leader opened the file
   */
  onContent(inode: Inode, openedAt: number, offset: number, data: Uint8Array): void {
    const missing = this.#known.doubts.missing.get(inode);
    for (const { from, to, mayBeSame } of missing?.within(offset, offset + data.length, openedAt) ?? []) {
      const part = data.subarray(from - offset, to - offset);
      // What is there already is not written: it would have to be flushed.
      const isThere = mayBeSame === true && this.#known.tree.holds(inode, from, part);
      if (!isThere) this.#known.tree.fill(inode, from, part);
      this.#known.doubts.know(inode, from, to);
    }
    this.#known.doubts.letOthersPass(inode);
  }

  /** What lies in the range is what the leader has, as it was compared; the conditions are those of `onContent`. */
  onSame(inode: Inode, openedAt: number, from: number, to: number): void {
    for (const same of this.#known.doubts.missing.get(inode)?.within(from, to, openedAt) ?? []) {
      this.#known.doubts.know(inode, same.from, same.to);
    }
    this.#known.doubts.letOthersPass(inode);
  }

  /** The comparison found a difference: the range is fetched. */
  onDifferent(inode: Inode, from: number, to: number): void {
    this.#known.doubts.expectDifferent(inode, from, to);
    this.#known.doubts.letOthersPass(inode);
  }

  #settleDirectory(path: TreePath, mode: number): void {
    if (this.#known.tree.find(path)?.kind === 'directory') {
      this.#known.tree.setAttributesAt(path, { mode });
    } else {
      this.#known.clear(path, 'displaced');
      this.#known.tree.make(path, { kind: 'directory', mode });
      this.#known.doubt(path, 'tree');
    }
    this.#known.doubts.settle(path, 'name');
  }

  #settleFile(sequence: number, path: TreePath, answer: Extract<NameAnswer, { kind: 'file' }>): void {
    const { mode, size, times } = answer;
    const found = this.#known.tree.find(path);
    const known = this.#known.fileByName(answer.names);
    const candidate = known ?? this.#fileByHandle(answer.handles) ?? this.#ownFile(found);
    const inode = this.#putFile(path, found, candidate, mode);
    this.#known.doubts.settle(path, 'tree');
    if (inode !== known) {
      const mayBeSame = inode === candidate && this.#comparedBytes !== Number.POSITIVE_INFINITY;
      // What is fetched changes them no more.
      if (!mayBeSame || !this.#hasAttributes(path, inode, found, answer))
        this.#known.tree.setFileAttributes(inode, { mode, size, ...times });
      this.#known.doubts.know(inode, 0, Number.MAX_SAFE_INTEGER);
      this.#known.doubts.lack(inode, 0, size, sequence, mayBeSame);
      // One of them may have been this file here; it is asked for by itself, and finds this one.
      for (const name of answer.names) if (name !== path) this.#known.doubt(name, 'name');
    }
    for (const handle of answer.handles) this.#known.handles.bind(handle, { inode, path });
  }

  /** But for the time of the last access, which reading changes on each host by itself. */
  #hasAttributes(
    path: TreePath,
    inode: Inode,
    found: Found | null,
    { mode, size, times }: Extract<NameAnswer, { kind: 'file' }>,
  ): boolean {
    // Another one may have been linked there.
    if (found?.kind !== 'file' || found.inode !== inode || found.mode !== mode || found.size !== size)
      return false;
    return this.#known.tree.timesAt(path).modifiedAtUs === times.modifiedAtUs;
  }

  /** The file when it is open here: it may have been changed by another name meanwhile. */
  #fileByHandle(handles: readonly number[]): Inode | null {
    for (const handle of handles) {
      const inode = this.#known.handles.inodeOf(handle);
      if (inode !== null && this.#known.tree.nameOf(inode) !== null) return inode;
    }
    return null;
  }

  /** The file that lies at the path here, when it can be no other's: its content is as good as any to begin with. */
  #ownFile(found: Found | null): Inode | null {
    if (found?.kind !== 'file' || found.links !== 1) return null;
    const isOpen = this.#known.handles.isOpen(found.inode);
    return isOpen ? null : found.inode;
  }

  /** Has this file at the path, or a new one when there is none or it has no name left. */
  #putFile(path: TreePath, found: Found | null, inode: Inode | null, mode: number): Inode {
    if (inode !== null && found?.kind === 'file' && found.inode === inode) return inode;
    this.#known.clear(path, 'displaced');
    if (inode !== null && this.#known.tree.link(inode, path)) return inode;
    return this.#known.makeFile(path, mode);
  }
}
