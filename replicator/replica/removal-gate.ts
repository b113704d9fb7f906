import { HoldfastError } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import { countFiles } from '../manifest/count.ts';
import { rootPath } from '../tree/path.ts';
import type { Tree } from '../tree/tree.ts';

/** Small trees change by large shares: so many files may go whatever share of them that is. */
export const alwaysRemovable = 100;

/** A comparison that was stopped before it took anything away. */
export interface PendingRemoval {
  readonly files: number;
  readonly of: number;
  readonly leader: string;
}

/**
 * What a comparison with the leader may take away from this host by itself. What clients removed comes through the
 * stream; a leader that lacks many files may have lost them, and then this host has the last copies.
 */
export class RemovalGate {
  readonly #share: number;
  readonly #log: Logger;
  readonly #onChanged: () => void;
  #pending: PendingRemoval | null = null;
  /** What an operator has allowed. */
  #accepted = 0;

  /** @param share of the files, 0 to 1 */
  constructor(share: number, log: Logger, onChanged: () => void) {
    this.#share = share;
    this.#log = log;
    this.#onChanged = onChanged;
  }

  get pending(): PendingRemoval | null {
    return this.#pending;
  }

  /** Before a comparison begins to change the tree. */
  async begin(tree: Tree, leader: string, signal: AbortSignal): Promise<Removals> {
    return new Removals(this, tree, leader, await countFiles(tree, rootPath, signal), signal);
  }

  /** @throws HoldfastError RESYNC_REMOVES_MUCH */
  check(removal: PendingRemoval): void {
    const { files, of, leader } = removal;
    const limit = Math.max(alwaysRemovable, Math.floor(of * this.#share));
    if (files <= limit || files <= this.#accepted + limit) return;
    const what = `the comparison with ${leader} would take away ${files} of the ${of} files here, which ${leader} does not have`;
    if (this.#pending?.files !== files || this.#pending.leader !== leader) {
      this.#log.error({ code: 'RESYNC_REMOVES_MUCH', files, of, leader }, `${what}: an operator has to say`);
    }
    this.#pending = removal;
    this.#onChanged();
    throw new HoldfastError('RESYNC_REMOVES_MUCH', what);
  }

  /** An operator was shown this number and says that they may go. */
  accept(files: number): void {
    this.#accepted = files;
    this.#log.warn({ files }, 'an operator lets the comparison take files away');
  }

  /** A comparison went through, or another leader is followed: what waited or was allowed is over. */
  clear(): void {
    this.#accepted = 0;
    if (this.#pending === null) return;
    this.#pending = null;
    this.#onChanged();
  }
}

/** What one comparison takes away, counted before it does. */
export class Removals {
  readonly #gate: RemovalGate;
  readonly #tree: Tree;
  readonly #leader: string;
  readonly #of: number;
  readonly #signal: AbortSignal;
  #files = 0;

  constructor(gate: RemovalGate, tree: Tree, leader: string, of: number, signal: AbortSignal) {
    this.#gate = gate;
    this.#tree = tree;
    this.#leader = leader;
    this.#of = of;
    this.#signal = signal;
  }

  get files(): number {
    return this.#files;
  }

  async add(path: Buffer): Promise<void> {
    this.#files += await countFiles(this.#tree, path, this.#signal);
  }

  /** @throws HoldfastError RESYNC_REMOVES_MUCH */
  check(): void {
    this.#gate.check({ files: this.#files, of: this.#of, leader: this.#leader });
  }
}
