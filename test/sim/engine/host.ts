import {
  answerEntries,
  answerName,
  type EntriesPage,
  type NameAnswer,
} from '../../../replicator/core/answers.ts';
import { type DoubtChange, Doubts } from '../../../replicator/core/doubts.ts';
import type { EpochStart, LogPosition } from '../../../replicator/core/position.ts';
import type { LogRecord, Scope } from '../../../replicator/core/record.ts';
import { emptyReplica, Replica, type ReplicaState } from '../../../replicator/core/replica.ts';
import type { Inode } from '../../../replicator/core/tree.ts';
import type { TreePath } from '../../../replicator/core/uncertain-names.ts';
import type { Random } from '../timeline.ts';
import { VirtualDisk } from './disk.ts';
import { HostLog } from './log.ts';
import type { Rules } from './rules.ts';

/** The process died in the middle of a change. */
export class ProcessDied extends Error {
  override readonly name = 'ProcessDied';
}

/** Of the model's short files, all but the shortest ranges are compared. */
const comparedBytes = 2;

/** One host of the story: a disk, a log on it, and the engine's process. */
export class EngineHost {
  readonly id: string;
  readonly disk = new VirtualDisk();
  readonly log = new HostLog();
  readonly #rules: Rules;
  replica: Replica;
  isUp = true;
  /** Everything up to here was flushed at a time when nothing was doubted (R5). */
  flushedComplete: LogPosition = { epoch: 0, sequence: 0 };
  /** Changes to the disk that the process still makes before it dies. */
  changesToDeath = Number.POSITIVE_INFINITY;
  #active = new Set<string>();
  readonly #changes: DoubtChange[] = [];
  #flush: (() => void) | null = null;
  #logFlush: (() => void) | null = null;
  #checkpoint: (() => void) | null = null;
  #checkpoints = 0;

  constructor(id: string, rules: Rules) {
    this.id = id;
    this.#rules = rules;
    this.replica = this.#newReplica(emptyReplica);
    this.disk.beforeChange = (change) => this.#beforeChange(change);
  }

  get last(): LogPosition {
    return this.log.last;
  }

  /** Appends a record and makes its change. */
  consume(position: LogPosition, record: LogRecord, data: Uint8Array | null, onLogged = () => {}): void {
    this.log.append({ kind: 'shared', position, record });
    onLogged();
    this.#beforeRename(record);
    const lacksNothing = record.kind === 'write' && this.#rules.has('R2');
    this.replica.consume(
      position.sequence,
      record,
      lacksNothing ? (data ?? new Uint8Array(record.length)) : data,
    );
    const { handles } = this.replica.state;
    this.log.append({ kind: 'applied', sequence: position.sequence, changes: this.#takeChanges(), handles });
  }

  /** It leads, and has said what it doubts. */
  trustAll(): void {
    this.replica.trustAll();
    this.#settled();
  }

  onName(path: TreePath, answer: NameAnswer): void {
    this.replica.onName(this.last.sequence, path, answer);
    this.#settled();
  }

  onEntries(path: TreePath, page: EntriesPage | null): void {
    this.replica.onEntries(path, page);
    this.#settled();
  }

  onContent(inode: Inode, openedAt: number, offset: number, data: Uint8Array): void {
    this.replica.onContent(inode, openedAt, offset, data);
    this.#settled();
  }

  /** Compares what the leader read with what lies here. */
  onDigest(inode: Inode, openedAt: number, offset: number, data: Uint8Array): void {
    const end = offset + data.length;
    this.onCompared(
      inode,
      openedAt,
      offset,
      end,
      Buffer.compare(this.disk.read(inode, offset, end), data) === 0,
    );
  }

  onCompared(inode: Inode, openedAt: number, from: number, to: number, isSame: boolean): void {
    if (isSame) this.replica.onSame(inode, openedAt, from, to);
    else this.replica.onDifferent(inode, from, to);
    this.#settled();
  }

  answerName(path: TreePath): NameAnswer {
    return answerName(this.disk, this.replica.handles, path);
  }

  answerEntries(path: TreePath, after: string | null, limit: number): EntriesPage | null {
    return answerEntries(this.disk, path, after, limit);
  }

  /** The leader's log and this one are the same up to `common`: what comes after is taken back (R6). */
  cutTo(common: number): void {
    const to = { epoch: this.log.epochAt(common) ?? 0, sequence: common };
    if (this.last.sequence > common) {
      const own = this.log.after(common);
      const handles = this.#handlesAt(common);
      const open = new Map(handles.map((handle) => [handle.handle, handle]));
      if (!this.#rules.has('R6')) for (const { record } of own) this.replica.doubtOwn(record, open);
      this.replica.forgetAfter(common, handles);
      this.#takeChanges();
      this.log.append({ kind: 'cut', to, base: null, state: this.replica.state });
      this.flushedComplete = { epoch: 0, sequence: 0 };
      // What it flushes was a part of the history that is no more.
      this.#flush = null;
      this.#logFlush = null;
    }
  }

  /** The leader's log does not reach back to this one: everything is doubted. */
  beginAnew(at: LogPosition, table: readonly EpochStart[]): void {
    this.#replaceReplica(emptyReplica);
    this.replica.doubt('', 'tree');
    this.#takeChanges();
    this.log.append({ kind: 'cut', to: at, base: table, state: this.replica.state });
    this.flushedComplete = { epoch: 0, sequence: 0 };
  }

  /** As of the last record up to `sequence` that is made, or doubted. */
  #handlesAt(sequence: number): ReplicaState['handles'] {
    for (const entry of this.log.entries.toReversed()) {
      if (entry.kind === 'applied' && entry.sequence <= sequence) return entry.handles;
      if (entry.kind === 'state' && entry.sequence <= sequence) return entry.state.handles;
      if (entry.kind === 'cut' && entry.to.sequence <= sequence) return entry.state.handles;
    }
    return [];
  }

  /** Gives up the records up to now: a follower that lacks one of them has to compare everything. */
  trimLog(): void {
    this.beginCheckpoint();
    this.endCheckpoint();
    this.#takeChanges();
    this.log.append({ kind: 'cut', to: this.last, base: this.log.table, state: this.replica.state });
    this.log.flush();
  }

  get isFlushing(): boolean {
    return this.#flush !== null;
  }

  beginFlush(): void {
    if (this.#flush !== null) return;
    const { last } = this;
    const complete = this.replica.isComplete;
    this.#logFlush = this.log.beginFlush();
    const disk = this.#rules.has('P3') ? () => {} : this.disk.beginFlush();
    this.#flush = () => {
      disk();
      if (complete || this.#rules.has('R5')) this.flushedComplete = last;
    };
  }

  /** The log is flushed beside the files; here it is done first. @returns whether all is done */
  endFlush(): boolean {
    if (this.#logFlush !== null) {
      this.#logFlush();
      this.#logFlush = null;
      return false;
    }
    this.#flush?.();
    this.#flush = null;
    return true;
  }

  beginCheckpoint(): void {
    if (this.#checkpoint !== null || this.#flush !== null) return;
    const id = ++this.#checkpoints;
    this.log.append({ kind: 'checkpoint-begins', id });
    this.#active = new Set();
    this.disk.newFiles.clear();
    const disk = this.disk.beginFlush();
    this.#checkpoint = () => {
      if (!this.#rules.has('checkpoint')) disk();
      this.log.append({ kind: 'checkpoint', id });
      this.log.flush();
    };
  }

  endCheckpoint(): void {
    if (this.#flush !== null) return;
    this.#checkpoint?.();
    this.#checkpoint = null;
  }

  get isCheckpointing(): boolean {
    return this.#checkpoint !== null;
  }

  crash(): void {
    this.isUp = false;
    this.#flush = null;
    this.#logFlush = null;
    this.#checkpoint = null;
    this.changesToDeath = Number.POSITIVE_INFINITY;
    this.disk.dropNameless();
  }

  powerCut(random: Random): void {
    this.crash();
    this.log.powerCut((limit) => random.below(limit));
    this.disk.powerCut(random);
    this.flushedComplete = { epoch: 0, sequence: 0 };
    this.#start(true);
  }

  restart(): void {
    this.#start(false);
  }

  #start(lostPower: boolean): void {
    const { state, applied } = this.#recoveredState();
    const named = state.handles.map((handle) => ({
      ...handle,
      inode: handle.inode !== null && this.disk.nameOf(handle.inode) !== null ? handle.inode : null,
    }));
    this.#replaceReplica({ ...state, handles: named });
    if (!this.#rules.has('P2')) {
      for (const { position, record } of this.log.records)
        if (position.sequence > applied) this.replica.doubtRecord(record);
    }
    if (lostPower) {
      this.replica.doubtHandles();
      for (const { path, scope } of this.#activeNames()) this.replica.doubt(path, scope);
    }
    this.#active = new Set();
    this.#checkpoints = Math.max(0, ...this.log.entries.map((entry) => ('id' in entry ? entry.id : 0)));
    this.disk.newFiles.clear();
    this.#takeChanges();
    this.log.append({ kind: 'state', sequence: this.last.sequence, state: this.replica.state });
    this.flushedComplete = { epoch: 0, sequence: 0 };
    this.isUp = true;
  }

  #recoveredState(): { state: ReplicaState; applied: number } {
    let doubts = new Doubts();
    let { handles } = emptyReplica;
    let applied = 0;
    for (const entry of this.log.entries) {
      if (entry.kind === 'applied' || entry.kind === 'settled')
        for (const change of entry.changes) doubts.make(change);
      if (entry.kind === 'state' || entry.kind === 'cut') doubts = new Doubts(entry.state.doubts);
      if (entry.kind === 'state' || entry.kind === 'cut') handles = entry.state.handles;
      if (entry.kind === 'applied' || entry.kind === 'settled') handles = entry.handles;
      if (entry.kind === 'applied' || entry.kind === 'state') applied = entry.sequence;
      if (entry.kind === 'cut') applied = entry.to.sequence;
    }
    return { state: { doubts: doubts.state, handles }, applied };
  }

  #newReplica(state: ReplicaState): Replica {
    return new Replica(this.disk, state, (change) => this.#changes.push(change), comparedBytes);
  }

  #replaceReplica(state: ReplicaState): void {
    this.replica = this.#newReplica(state);
  }

  /** What changed in what is doubted since it was last noted. */
  #takeChanges(): DoubtChange[] {
    return this.#changes.splice(0);
  }

  #activeNames(): { path: TreePath; scope: Scope }[] {
    const { entries } = this.log;
    const done = new Set(entries.flatMap((entry) => (entry.kind === 'checkpoint' ? [entry.id] : [])));
    const from = entries.findLastIndex((entry) => entry.kind === 'checkpoint-begins' && done.has(entry.id));
    return entries.slice(from + 1).flatMap((entry) => (entry.kind === 'active' ? entry.names : []));
  }

  #beforeChange(change: { directory: TreePath } | { file: Inode }): void {
    if ('directory' in change)
      this.#activate(`directory ${change.directory}`, [{ path: change.directory, scope: 'entries' }]);
    else if (!this.disk.newFiles.has(change.file)) {
      const names = this.disk.namesOf(change.file).map((path) => ({ path, scope: 'name' as const }));
      this.#activate(`file ${change.file}`, names);
    }
    this.changesToDeath -= 1;
    if (this.changesToDeath < 0) throw new ProcessDied();
  }

  /** What lies below a directory that moves is not active by itself: its names are flushed first. */
  #beforeRename(record: LogRecord): void {
    if (record.kind !== 'rename') return;
    const [from, to] = [record.from.toString('latin1'), record.to.toString('latin1')];
    if (this.disk.find(from)?.kind !== 'directory' || this.#rules.has('P1-rename')) return;
    this.log.append({
      kind: 'active',
      names: [
        { path: from, scope: 'tree' },
        { path: to, scope: 'tree' },
      ],
    });
    this.log.flush();
  }

  #activate(key: string, names: readonly { path: TreePath; scope: Scope }[]): void {
    if (this.#active.has(key)) return;
    this.#active.add(key);
    this.log.append({ kind: 'active', names });
    if (!this.#rules.has('P1')) this.log.flush();
  }

  #settled(): void {
    const { handles } = this.replica.state;
    this.log.append({ kind: 'settled', changes: this.#takeChanges(), handles });
  }
}
