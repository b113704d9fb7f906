import { AnswerTaker, type Want } from './answer-taker.ts';
import type { EntriesPage, NameAnswer } from './answers.ts';
import { DoubtedTree } from './doubted-tree.ts';
import { Doubting } from './doubting.ts';
import { type DoubtChange, type DoubtState, Doubts, noDoubts } from './doubts.ts';
import { type Handle, type HandleState, Handles } from './handles.ts';
import type { MissingRange } from './missing-ranges.ts';
import type { LogRecord, Scope } from './record.ts';
import { RecordTaker } from './record-taker.ts';
import type { Inode, Tree } from './tree.ts';
import type { TreePath } from './uncertain-names.ts';

export interface ReplicaState {
  readonly doubts: DoubtState;
  readonly handles: HandleState;
}

export const emptyReplica: ReplicaState = { doubts: noDoubts, handles: [] };

/**
 * A tree that follows the log: the one way in which records change files, on the leader, where everything is certain,
 * as on a follower that lacks a part (design, rules R1 to R7). Records are consumed in order and without gaps; what
 * cannot be applied for want of certainty makes names uncertain, and those are asked for and answered at one position
 * of the same stream, so an answer is about the tree as it is when it is received.
 */
export class Replica {
  readonly #known: DoubtedTree;
  readonly #records: RecordTaker;
  readonly #answers: AnswerTaker;
  readonly #doubting: Doubting;

  /**
   * @param onDoubt is told each change of what is doubted
   * @param compared as AnswerTaker has it
   */
  constructor(
    tree: Tree,
    state: ReplicaState = emptyReplica,
    onDoubt: (change: DoubtChange) => void = () => {},
    compared?: number,
  ) {
    this.#known = new DoubtedTree(tree, new Doubts(state.doubts, onDoubt), new Handles(tree, state.handles));
    this.#records = new RecordTaker(this.#known);
    this.#answers = new AnswerTaker(this.#known, compared);
    this.#doubting = new Doubting(this.#known);
  }

  get handles(): ReadonlyMap<number, Handle> {
    return this.#known.handles.all;
  }

  get state(): ReplicaState {
    return { doubts: this.#known.doubts.state, handles: this.#known.handles.state };
  }

  /** Whether the tree is the leader's as of the last record consumed (R5, but for what is not flushed). */
  get isComplete(): boolean {
    return this.#known.isComplete;
  }

  /** How much is doubted, as far as it is known; null: nothing. Files that lost their names count until it is their turn. */
  get doubted(): { uncertainNames: number; incompleteFiles: number; missingBytes: number } | null {
    if (this.isComplete) return null;
    const { names, missing } = this.#known.doubts;
    return {
      uncertainNames: [...names.all()].length,
      incompleteFiles: missing.size,
      missingBytes: [...missing.values()].reduce((sum, { bytes }) => sum + bytes, 0),
    };
  }

  /** Whether what lies at the path is the leader's, but for missing ranges of a file. */
  isCertain(path: TreePath): boolean {
    return this.#known.doubts.names.isCertain(path);
  }

  missingOf(inode: Inode): readonly MissingRange[] {
    return this.#known.doubts.missing.get(inode)?.ranges ?? [];
  }

  /** The files that lack ranges. */
  get incomplete(): Iterable<Inode> {
    return this.#known.doubts.missing.keys();
  }

  /** As `RecordTaker.take`. */
  consume(sequence: number, record: LogRecord, data: Uint8Array | null): void {
    this.#records.take(sequence, record, data);
  }

  wants(): Generator<Want> {
    return this.#answers.wants();
  }

  onName(sequence: number, path: TreePath, answer: NameAnswer): void {
    this.#answers.onName(sequence, path, answer);
  }

  onEntries(path: TreePath, page: EntriesPage | null): void {
    this.#answers.onEntries(path, page);
  }

  onOpened(path: TreePath): Inode | null {
    return this.#answers.onOpened(path);
  }

  onContent(inode: Inode, openedAt: number, offset: number, data: Uint8Array): void {
    this.#answers.onContent(inode, openedAt, offset, data);
  }

  onSame(inode: Inode, openedAt: number, from: number, to: number): void {
    this.#answers.onSame(inode, openedAt, from, to);
  }

  onDifferent(inode: Inode, from: number, to: number): void {
    this.#answers.onDifferent(inode, from, to);
  }

  /** Does not know what the name is, from now on. */
  doubt(path: TreePath, scope: Scope): void {
    this.#known.doubt(path, scope);
  }

  doubtRecord(record: LogRecord): void {
    this.#doubting.record(record);
  }

  doubtOwn(record: LogRecord, handles: ReadonlyMap<number, Handle>): void {
    this.#doubting.ownRecord(record, handles);
  }

  forgetAfter(common: number, handles: HandleState): void {
    this.#doubting.recordsAfter(common, handles);
  }

  doubtHandles(): void {
    this.#doubting.handles();
  }

  doubts(): Extract<LogRecord, { kind: 'suspect' }> {
    return this.#doubting.asRecord();
  }

  /** From now on what lies here counts: on a leader, after its record of what it doubts. */
  trustAll(): void {
    this.#known.doubts.clear();
    this.#known.forgetListing();
  }

  /** Another replica takes its place: nothing is held for this one any more. */
  releaseFiles(): void {
    this.#known.handles.closeAll();
  }
}
