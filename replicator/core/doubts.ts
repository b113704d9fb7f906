import { type MissingRange, MissingRanges } from './missing-ranges.ts';
import type { Scope } from './record.ts';
import type { Inode } from './tree.ts';
import { type TreePath, type UncertainName, UncertainNames } from './uncertain-names.ts';

/** One change of what is doubted. In order, from the same beginning, they lead to the same doubts. */
export type DoubtChange =
  | { readonly kind: 'mark'; readonly path: TreePath; readonly scope: Scope }
  /** Known from here on: what the name is, or all of it and below. */
  | { readonly kind: 'settle'; readonly path: TreePath; readonly scope: 'name' | 'tree' }
  /** Known from here on: which entries the directory has, up to and with one of them; null: to the last. */
  | { readonly kind: 'settle-entries'; readonly path: TreePath; readonly upTo: string | null }
  | { readonly kind: 'move'; readonly from: TreePath; readonly to: TreePath }
  | {
      readonly kind: 'lack';
      readonly inode: Inode;
      readonly from: number;
      readonly to: number;
      readonly since: number;
      readonly mayBeSame: boolean;
    }
  /** A comparison found that what lies there is not what the leader has. */
  | { readonly kind: 'differ'; readonly inode: Inode; readonly from: number; readonly to: number }
  | { readonly kind: 'know'; readonly inode: Inode; readonly from: number; readonly to: number }
  /** The records after `sequence` are no more. */
  | { readonly kind: 'forget-after'; readonly sequence: number };

export interface DoubtState {
  readonly names: readonly UncertainName[];
  readonly missing: readonly { readonly inode: Inode; readonly ranges: readonly MissingRange[] }[];
}

export const noDoubts: DoubtState = { names: [], missing: [] };

/** What a host knows that it does not know: names, and ranges of files. */
export class Doubts {
  readonly #names: UncertainNames;
  readonly #missing = new Map<Inode, MissingRanges>();
  readonly #onChange: (change: DoubtChange) => void;

  /** @param onChange is told each change, so that it can be made again after the process died */
  constructor(state: DoubtState = noDoubts, onChange: (change: DoubtChange) => void = () => {}) {
    this.#names = new UncertainNames(state.names);
    for (const { inode, ranges } of state.missing) this.#missing.set(inode, new MissingRanges(ranges));
    this.#onChange = onChange;
  }

  get state(): DoubtState {
    return {
      names: [...this.#names.all()],
      missing: [...this.#missing].map(([inode, { ranges }]) => ({ inode, ranges })),
    };
  }

  /** To be asked and not to be changed. */
  get names(): Pick<UncertainNames, 'isCertain' | 'mayDefine' | 'at' | 'topmost' | 'all' | 'isEmpty'> {
    return this.#names;
  }

  get missing(): ReadonlyMap<Inode, MissingRanges> {
    return this.#missing;
  }

  mark(path: TreePath, scope: Scope): void {
    this.make({ kind: 'mark', path, scope });
  }

  settle(path: TreePath, scope: 'name' | 'tree'): void {
    if (!this.#names.isEmpty) this.make({ kind: 'settle', path, scope });
  }

  /** @param upTo null: all of them */
  settleEntries(path: TreePath, upTo: string | null): void {
    if (!this.#names.isEmpty) this.make({ kind: 'settle-entries', path, upTo });
  }

  move(from: TreePath, to: TreePath): void {
    if (!this.#names.isEmpty) this.make({ kind: 'move', from, to });
  }

  /** @param mayBeSame what lies there may be right all the same */
  lack(inode: Inode, from: number, to: number, since: number, mayBeSame = false): void {
    if (to > from) this.make({ kind: 'lack', inode, from, to, since, mayBeSame });
  }

  expectDifferent(inode: Inode, from: number, to: number): void {
    if (this.#missing.has(inode)) this.make({ kind: 'differ', inode, from, to });
  }

  /** The file comes last of those that lack something, from now on: they take turns. */
  letOthersPass(inode: Inode): void {
    const missing = this.#missing.get(inode);
    if (missing === undefined) return;
    this.#missing.delete(inode);
    this.#missing.set(inode, missing);
  }

  know(inode: Inode, from: number, to: number): void {
    if (this.#missing.has(inode)) this.make({ kind: 'know', inode, from, to });
  }

  /** Of a file that is not there any more. */
  drop(inode: Inode): void {
    this.know(inode, 0, Number.MAX_SAFE_INTEGER);
  }

  forgetAfter(sequence: number): void {
    this.make({ kind: 'forget-after', sequence });
  }

  clear(): void {
    this.settle('', 'tree');
    for (const inode of [...this.#missing.keys()]) this.drop(inode);
  }

  make(change: DoubtChange): void {
    this.#apply(change);
    this.#onChange(change);
  }

  #apply(change: DoubtChange): void {
    switch (change.kind) {
      case 'mark':
        this.#names.mark(change.path, change.scope);
        return;
      case 'settle':
        if (change.scope === 'tree') this.#names.settleTree(change.path);
        else this.#names.settleName(change.path);
        return;
      case 'settle-entries':
        this.#names.settleEntries(change.path, change.upTo);
        return;
      case 'move':
        this.#names.move(change.from, change.to);
        return;
      case 'lack': {
        const missing = this.#missing.get(change.inode) ?? new MissingRanges();
        missing.add(change.from, change.to, change.since, change.mayBeSame);
        this.#missing.set(change.inode, missing);
        return;
      }
      case 'know': {
        const missing = this.#missing.get(change.inode);
        missing?.remove(change.from, change.to);
        if (missing?.isEmpty) this.#missing.delete(change.inode);
        return;
      }
      case 'differ':
        this.#missing.get(change.inode)?.expectDifferent(change.from, change.to);
        return;
      case 'forget-after':
        for (const missing of this.#missing.values()) missing.forgetSequences(change.sequence);
        return;
    }
  }
}
