import type { Proof } from '../manifest/compare.ts';
import type { ToFollower } from '../protocol/message.ts';
import { fromKey } from '../tree/path.ts';
import type { Tree } from '../tree/tree.ts';
import type { Applier } from './apply.ts';
import type { FileClient } from './file-client.ts';
import type { RemovalGate } from './removal-gate.ts';
import type { Staging } from './staging.ts';
import type { TreeChange } from './tree-change.ts';
import { TreeSync } from './tree-sync.ts';

type Round = Extract<ToFollower, { type: 'round' }>;

export interface CatchUpOptions {
  readonly tree: Tree;
  readonly staging: Staging;
  readonly change: TreeChange;
  readonly applier: Applier;
  readonly client: FileClient;
  readonly removals: RemovalGate;
  readonly leader: string;
  /** What counts as equal in the first round. */
  readonly firstProof: Proof;
  /** All that was written to a folder's file system is on its disk when this resolves. */
  readonly syncFileSystem: (folder: string, signal: AbortSignal) => Promise<void>;
  /** Asks the leader for the next round. */
  readonly next: () => void;
  readonly closed: AbortSignal;
}

/**
 * Rounds, as long as the leader has any: everything first, then what changed meanwhile, at last under a hold. Only
 * in the first can something be found that this host alone has; what later ones replace is what they brought.
 *
 * A host that has caught up counts as having everything on its disk. What a round brings is synced file by file; what it
 * finds to be equal may have been written by an earlier connection, or an earlier process, and never been synced: so
 * the file system is synced once as a whole.
 */
export class CatchUp {
  readonly #options: CatchUpOptions;
  readonly #stopping = new AbortController();
  #sync: TreeSync | null = null;
  #onRound: ((round: Round) => void) | null = null;
  #over = false;
  #isFinished = false;

  constructor(options: CatchUpOptions) {
    this.#options = options;
  }

  /** Runs until the leader begins to stream, when `stop` is called, or with the connection. */
  async run(): Promise<void> {
    const { tree, client, staging, change, applier, next, closed, removals, leader, firstProof } =
      this.#options;
    const signal = AbortSignal.any([closed, this.#stopping.signal]);
    const sync = new TreeSync(tree, client, staging, change, signal);
    this.#sync = sync;
    const synced = this.#options.syncFileSystem(tree.root, signal);
    // It may fail while a round is under way, and is looked at after that.
    synced.catch(() => {});
    while (true) {
      const round = await this.#nextRound(signal, next);
      if (round === null) return await change.flush();
      applier.closeAll();
      change.keepsOld = round.first;
      if (round.first) {
        await sync.round(round.dirty, firstProof, await removals.begin(tree, leader, signal));
        removals.clear();
      } else await sync.round(round.dirty, 'content');
      await synced;
      if (round.final === null) continue;
      await sync.confirmPatchedBefore();
      applier.adopt(round.final.handles.map(({ handle, path }) => ({ handle, path: fromKey(path) })));
    }
  }

  onRound(round: Round): void {
    this.#onRound?.(round);
  }

  /** The leader streams: it held still until the last round was done. Call before anything is applied, and stop then. */
  finish(): void {
    this.#isFinished = true;
    this.#sync?.confirmPatched();
  }

  get isFinished(): boolean {
    return this.#isFinished;
  }

  stop(reason: unknown): void {
    this.#over = true;
    this.#stopping.abort(reason);
  }

  async #nextRound(signal: AbortSignal, next: () => void): Promise<Round | null> {
    if (this.#over || signal.aborted) return null;
    return await new Promise((resolve) => {
      signal.addEventListener('abort', () => resolve(null), { once: true });
      this.#onRound = resolve;
      next();
    });
  }
}
