import { ActivitySet, type Noted, type Touched } from '../apply/activity-set.ts';
import type { LocalRecord } from '../core/local-record.ts';
import type { TreePath } from '../core/uncertain-names.ts';
import { fromKey, rootPath } from '../tree/path.ts';
import type { BeforeChange } from './disk-tree-parts.ts';

export type Active = Extract<LocalRecord, { kind: 'active' }>;

export interface ActivityLog {
  /** Appends the host's own records. */
  append(records: readonly LocalRecord[]): void;
  /** Has all that was appended on the disk when it returns. */
  flushNow(): void;
}

interface Trees {
  readonly paths: Buffer[];
  everything: boolean;
}

/**
 * P1 as the tree asks for it: before the first change since the last checkpoint, what changes is named in the log, and
 * that is flushed. What was not named ahead (`prepare`) is flushed in the ordering thread. When too much is active, all of
 * the tree is: then nothing more is noted until the next checkpoint has ended, and a power loss costs a full comparison.
 */
export class Activity implements BeforeChange {
  readonly #log: ActivityLog;
  readonly #set: ActivitySet;
  /** What an earlier process left in the page cache; until a checkpoint that flushed it ends. */
  #inherited: Active | null;
  #trees: Trees = { paths: [], everything: false };
  #drainingTrees: Trees | null = null;
  #checkpoint: number;
  #isRunning = false;
  /** Renames of directories that were named ahead. */
  readonly #prepared = new Set<string>();
  generation = 1;

  constructor(log: ActivityLog, maxActive: number, inherited: Active | null, lastCheckpoint: number) {
    this.#log = log;
    this.#set = new ActivitySet(maxActive);
    this.#inherited = inherited;
    this.#checkpoint = lastCheckpoint;
  }

  get wantsCheckpoint(): boolean {
    return (
      !this.#isRunning && (this.#set.wantsCheckpoint || this.#inherited !== null || this.#trees.everything)
    );
  }

  get isCheckpointing(): boolean {
    return this.#isRunning;
  }

  hasDirectory(path: Buffer): boolean {
    return this.#trees.everything || this.#set.hasDirectory(path);
  }

  names(directory: TreePath): void {
    this.#touch({ directories: [fromKey(directory)], files: [] });
  }

  file(names: () => readonly TreePath[]): void {
    if (!this.#trees.everything) this.#touch({ directories: [], files: names().map(fromKey) });
  }

  moves(from: TreePath, to: TreePath): void {
    if (this.#prepared.delete(moveOf(from, to))) return;
    const trees = [fromKey(from), fromKey(to)];
    this.#touch({ directories: [], files: [], trees, released: trees });
  }

  /**
   * Names what is about to change, without a flush.
   * @returns whether the log is to be flushed before the change
   */
  prepare(touched: Touched): boolean {
    const isNoted = this.#note(touched);
    const [from, to] = touched.trees ?? [];
    if (from !== undefined && to !== undefined) {
      this.#prepared.add(moveOf(from.toString('latin1'), to.toString('latin1')));
    }
    return isNoted;
  }

  /** What was prepared was made, or refused. */
  forgetPrepared(): void {
    this.#prepared.clear();
  }

  begin(): void {
    this.#checkpoint += 1;
    this.#log.append([{ kind: 'checkpoint-begins', id: this.#checkpoint }]);
    this.#set.beginCheckpoint();
    this.#drainingTrees = this.#trees;
    this.#trees = { paths: [], everything: false };
    this.#isRunning = true;
    this.generation += 1;
  }

  /** The tree was flushed since the beginning. @param flush of the log */
  async end(flush: () => Promise<unknown>): Promise<void> {
    this.#log.append([{ kind: 'checkpoint', id: this.#checkpoint }]);
    await flush();
    this.#set.endCheckpoint();
    this.#drainingTrees = null;
    this.#inherited = null;
    this.#isRunning = false;
  }

  abandon(): void {
    this.#set.abandonCheckpoint();
    const draining = this.#drainingTrees;
    if (draining !== null) {
      this.#trees.paths.push(...draining.paths);
      this.#trees.everything ||= draining.everything;
    }
    this.#drainingTrees = null;
    this.#isRunning = false;
  }

  /** The records that say the same again, for a log that begins behind them. */
  get state(): LocalRecord[] {
    const { draining, current } = this.#set.noted;
    const before = draining === null ? [] : activeOf(draining, this.#drainingTrees ?? this.#trees);
    const begins: LocalRecord[] = this.#isRunning
      ? [{ kind: 'checkpoint-begins', id: this.#checkpoint }]
      : [];
    const inherited = this.#inherited === null ? [] : [this.#inherited];
    const last: LocalRecord[] = [{ kind: 'checkpoint', id: this.#checkpoint }];
    return [
      ...(this.#isRunning ? [] : last),
      ...inherited,
      ...before,
      ...begins,
      ...activeOf(current, this.#trees),
    ];
  }

  #touch(touched: Touched): void {
    if (this.#note(touched)) this.#log.flushNow();
  }

  #note(touched: Touched): boolean {
    if (this.#trees.everything) return false;
    const activation = this.#set.touch(touched);
    if (activation.kind === 'active-already') return false;
    if (activation.kind === 'full') {
      this.#log.append([{ kind: 'active', directories: [], files: [], trees: [rootPath] }]);
      this.#trees.everything = true;
      return true;
    }
    const { directories, files, trees } = activation;
    try {
      this.#log.append([{ kind: 'active', directories, files, trees }]);
    } catch (error) {
      // Nothing was noted: it is to be named again.
      this.#set.touch({ directories: [], files: [], released: [...directories, ...files] });
      throw error;
    }
    this.#trees.paths.push(...trees);
    return true;
  }
}

const maxPathsOfRecord = 256;

/** In records of a bounded length. */
function activeOf({ directories, files }: Noted, { paths, everything }: Trees): Active[] {
  if (everything) return [{ kind: 'active', directories: [], files: [], trees: [rootPath] }];
  return [
    ...chunks(directories).map(
      (part): Active => ({ kind: 'active', directories: part, files: [], trees: [] }),
    ),
    ...chunks(files).map((part): Active => ({ kind: 'active', directories: [], files: part, trees: [] })),
    ...chunks(paths).map((part): Active => ({ kind: 'active', directories: [], files: [], trees: part })),
  ];
}

function chunks(paths: readonly Buffer[]): Buffer[][] {
  const parts: Buffer[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const path of paths) {
    bytes += path.length + 4;
    const last = parts.at(-1);
    if (last === undefined || bytes > 512 * 1024 || last.length >= maxPathsOfRecord) {
      parts.push([path]);
      bytes = path.length;
    } else last.push(path);
  }
  return parts;
}

function moveOf(from: TreePath, to: TreePath): string {
  return `${from}\0${to}`;
}
