import { close, constants } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { compareEntries, type Proof, pairEntries } from '../manifest/compare.ts';
import { digestFile } from '../manifest/digest.ts';
import { type Entry, nameOf, readDirectory, readEntry, timeInDoubt } from '../manifest/entry.ts';
import type { DirtyPath } from '../protocol/message.ts';
import { fromKey, hasAncestorIn, joinPath, parentOf, toKey } from '../tree/path.ts';
import type { Tree } from '../tree/tree.ts';
import type { FileClient } from './file-client.ts';
import { inParallel } from './in-parallel.ts';
import type { Removals } from './removal-gate.ts';
import { finishFile, type Staging, setTime, writeAll } from './staging.ts';
import type { TreeChange } from './tree-change.ts';

const closeAsync = promisify(close);
/** Requests under way at a time: enough to fill the line, few enough for bounded memory. */
const filesAtATime = 8;
/** Then others run. */
const confirmedAtOnce = 100;

/**
 * One round of making this host's tree equal to the leader's. Directory by directory, so memory does not grow with
 * the tree. What the leader lacks is taken away at the end of the round alone: a file that was renamed there is at
 * every moment here under one name or the other, whenever this host dies.
 */
export class TreeSync {
  readonly #tree: Tree;
  readonly #client: FileClient;
  readonly #staging: Staging;
  readonly #change: TreeChange;
  readonly #signal: AbortSignal;
  #extra: Buffer[] = [];
  #removals: Removals | null = null;
  /** Files that this round patched, with what the leader then had. */
  #patched = new Map<string, Entry>();
  /** Those of earlier rounds that no later one named. */
  readonly #patchedBefore = new Map<string, Entry>();

  constructor(tree: Tree, client: FileClient, staging: Staging, change: TreeChange, signal: AbortSignal) {
    this.#tree = tree;
    this.#client = client;
    this.#staging = staging;
    this.#change = change;
    this.#signal = signal;
  }

  /**
   * @param removals counts what the round takes away, and stops it before that is too much; null: what goes is what
   *   clients removed
   * @throws HoldfastError RESYNC_REMOVES_MUCH
   */
  async round(dirty: readonly DirtyPath[], proof: Proof, removals: Removals | null = null): Promise<void> {
    this.#removals = removals;
    this.#extra = [];
    this.#followPatched(dirty);
    for (const { path, ranges } of dirty) {
      if (ranges === null) await this.#syncPath(fromKey(path), proof);
      else await this.#patchFile(fromKey(path), ranges);
    }
    for (const path of this.#extra) await removals?.add(path);
    removals?.check();
    for (const path of this.#extra) {
      this.#change.clear(path);
      // Each waits for the disk: who did all of them in one turn would be silent for the leader and for the supervisor.
      await turn();
      this.#signal.throwIfAborted();
    }
    this.#extra = [];
    await this.#change.flush();
  }

  /**
   * The last round named all that changed until the leader held still: what earlier rounds patched, and no later one
   * named, is whole, and gets its time. On disk after the next flush of the changes.
   */
  async confirmPatchedBefore(): Promise<void> {
    for (const [key, entry] of [...this.#patchedBefore]) {
      this.#change.setAttributes(fromKey(key), entry);
      this.#patchedBefore.delete(key);
      if (this.#patchedBefore.size % confirmedAtOnce === 0) await turn();
      this.#signal.throwIfAborted();
    }
  }

  /** The leader held still until the last round was done: what that one patched is whole too. */
  confirmPatched(): void {
    for (const [key, entry] of this.#patched) this.#change.setAttributes(fromKey(key), entry);
    this.#patched.clear();
  }

  async #syncPath(path: Buffer, proof: Proof): Promise<void> {
    this.#signal.throwIfAborted();
    if (path.length > 0 && readEntry(this.#tree, parentOf(path))?.type !== 'directory') {
      return await this.#syncPath(parentOf(path), proof);
    }
    const { self, entries } = await this.#client.list(path);
    const local = readEntry(this.#tree, path);
    if (self === null) this.#extra.push(path);
    else if (self.type === 'directory') await this.#syncDirectory(path, local, self, entries, proof);
    else await this.#syncLeaf(path, local, self, proof);
  }

  async #syncDirectory(
    path: Buffer,
    local: Entry | null,
    self: Entry,
    entries: readonly Entry[],
    proof: Proof,
  ): Promise<void> {
    if (local?.type !== 'directory') this.#change.makeDirectory(path);
    const { pairs, extra } = pairEntries(readDirectory(this.#tree, path) ?? [], entries);
    const leaves = pairs.filter(({ wanted }) => wanted.type !== 'directory');
    await inParallel(filesAtATime, leaves, ({ local: counterpart, wanted }) =>
      this.#syncLeaf(joinPath(path, nameOf(wanted)), counterpart, wanted, proof),
    );
    for (const entry of extra) this.#extra.push(joinPath(path, nameOf(entry)));
    for (const { wanted } of pairs) {
      if (wanted.type === 'directory') await this.#syncPath(joinPath(path, nameOf(wanted)), proof);
    }
    if (path.length > 0 && local?.mode !== self.mode) this.#change.setMode(path, self);
  }

  async #syncLeaf(path: Buffer, local: Entry | null, wanted: Entry, proof: Proof): Promise<void> {
    this.#signal.throwIfAborted();
    const verdict = compareEntries(local, wanted, proof);
    if (verdict === 'equal') return;
    if (local?.type === 'directory') await this.#beforeClearing(path);
    if (wanted.type === 'link') return this.#change.makeLink(path, wanted);
    if (verdict === 'compare-contents' && !(await this.#sameContents(path))) return await this.#fetch(path);
    if (verdict === 'replace') return await this.#fetch(path);
    this.#change.setAttributes(path, wanted);
  }

  /** A directory is about to give way, with all below it, to what the leader has under its name. */
  async #beforeClearing(path: Buffer): Promise<void> {
    await this.#removals?.add(path);
    this.#removals?.check();
  }

  async #sameContents(path: Buffer): Promise<boolean> {
    const [theirs, ours] = await Promise.all([
      this.#client.digest(path),
      digestFile(this.#tree, path, this.#signal),
    ]);
    return theirs !== null && theirs === ours;
  }

  /** A file that is gone meanwhile is noted there as changed, and comes again in the next round. */
  async #fetch(path: Buffer): Promise<void> {
    const staged = await this.#staging.fetch(this.#client, path);
    if (staged !== null) this.#change.placeFile(path, staged);
  }

  /**
   * Brings the parts that were noted. Others may have been written before they were read, which the next round brings.
   * Until it is known that there were none, the file does not get the leader's time: by that, and its size, a first
   * round would take it for equal after this catch-up was broken off.
   */
  async #patchFile(path: Buffer, ranges: DirtyPath['ranges']): Promise<void> {
    this.#signal.throwIfAborted();
    if (readEntry(this.#tree, path)?.type !== 'file') return await this.#syncPath(path, 'content');
    const file = this.#tree.open(path, constants.O_WRONLY | constants.O_NONBLOCK);
    let entry: Entry | null = null;
    try {
      entry = await this.#client.read(path, ranges, (offset, data) => writeAll(file, data, offset));
      if (entry !== null) await finishFile(file, { ...entry, ...timeInDoubt });
    } finally {
      if (entry === null) setTime(file, timeInDoubt);
      await closeAsync(file);
    }
    if (entry === null) await this.#syncPath(path, 'content');
    else this.#patched.set(toKey(path), entry);
  }

  /** What a round names, or the folder of which it names, it brings anew. */
  #followPatched(dirty: readonly DirtyPath[]): void {
    const named = new Set(dirty.map(({ path }) => path));
    for (const [key, entry] of this.#patched) this.#patchedBefore.set(key, entry);
    for (const key of this.#patchedBefore.keys()) {
      if (named.has(key) || hasAncestorIn(named, key)) this.#patchedBefore.delete(key);
    }
    this.#patched = new Map();
  }
}
