import { codeOf, messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import { compareEntries, pairEntries } from '../manifest/compare.ts';
import { digestFile } from '../manifest/digest.ts';
import { type Entry, nameOf, readDirectory } from '../manifest/entry.ts';
import { joinPath, printable, rootPath, toKey } from '../tree/path.ts';
import type { Tree } from '../tree/tree.ts';
import type { FileClient } from './file-client.ts';
import type { RemovalGate, Removals } from './removal-gate.ts';
import type { StagedFile, Staging } from './staging.ts';
import type { TreeChange } from './tree-change.ts';

const suspectsAtATime = 200;
const stagedBytesAtATime = 256 * 1024 * 1024;

/** A place where the trees differ, with the repair ready. `apply` works on this host alone, and is quick. */
interface Suspect {
  readonly path: Buffer;
  apply(change: TreeChange): void;
  drop(): void;
}

export interface ScrubOptions {
  readonly tree: Tree;
  readonly client: FileClient;
  readonly staging: Staging;
  readonly change: TreeChange;
  readonly removals: RemovalGate;
  readonly leader: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Asks the leader which of these paths stand still; it holds mutations until `done`. */
  readonly ask: (paths: string[]) => Promise<ReadonlySet<string>>;
  readonly done: () => void;
}

/** Compares this host's whole tree with the leader's, contents too, one file at a time, and repairs what differs. */
export class Scrub {
  readonly #parts: ScrubOptions;
  #suspects: Suspect[] = [];
  /** Those that take names away, which are repaired last: only then is it known how many they are. */
  #removing: Suspect[] = [];
  #stagedBytes = 0;
  #differences = 0;
  #repaired = 0;

  constructor(parts: ScrubOptions) {
    this.#parts = parts;
  }

  async run(): Promise<{ differences: number; repaired: number }> {
    const { tree, removals, leader, signal } = this.#parts;
    const counted = await removals.begin(tree, leader, signal);
    await this.#directory(rootPath);
    await this.#repair();
    await this.#remove(counted);
    return { differences: this.#differences, repaired: this.#repaired };
  }

  async #directory(path: Buffer): Promise<void> {
    const { tree, client, signal } = this.#parts;
    signal.throwIfAborted();
    const { self, entries } = await client.list(path);
    // Gone meanwhile: whatever became of it came through the stream.
    if (self?.type !== 'directory') return;
    const { pairs, extra } = pairEntries(readDirectory(tree, path) ?? [], entries);
    for (const { local, wanted } of pairs) await this.#entry(joinPath(path, nameOf(wanted)), local, wanted);
    for (const entry of extra) {
      const child = joinPath(path, nameOf(entry));
      this.#removing.push({ path: child, apply: (change) => change.clear(child), drop: () => {} });
    }
  }

  /** What the leader lacks is taken away, unless that is so much that the leader may be what is wrong. */
  async #remove(removals: Removals): Promise<void> {
    const removing = this.#removing;
    this.#removing = [];
    try {
      for (const { path } of removing) await removals.add(path);
      removals.check();
    } catch (error) {
      for (const suspect of removing) suspect.drop();
      if (codeOf(error) !== 'RESYNC_REMOVES_MUCH') throw error;
      this.#differences += removing.length;
      return;
    }
    this.#parts.removals.clear();
    for (const suspect of removing) await this.#suspect(suspect);
    await this.#repair();
  }

  async #entry(path: Buffer, local: Entry | null, wanted: Entry): Promise<void> {
    const { tree, client, signal, staging } = this.#parts;
    let verdict = compareEntries(local, wanted, 'content');
    if (verdict === 'compare-contents') {
      const [theirs, ours] = [await client.digest(path), await digestFile(tree, path, signal)];
      if (theirs === null || ours === null) return;
      if (theirs !== ours) verdict = 'replace';
      else verdict = local?.mode === wanted.mode ? 'equal' : 'attributes';
    }
    if (verdict === 'attributes') {
      const apply = (change: TreeChange) =>
        wanted.type === 'directory' ? change.setMode(path, wanted) : change.setAttributes(path, wanted);
      await this.#suspect({ path, apply, drop: () => {} });
    } else if (verdict === 'replace') {
      await this.#replacement(path, local, wanted, staging);
    }
    if (wanted.type === 'directory') await this.#directory(path);
  }

  async #replacement(path: Buffer, local: Entry | null, wanted: Entry, staging: Staging): Promise<void> {
    // A directory gives way with all below it.
    const suspect = async (found: Suspect) => {
      if (local?.type === 'directory') this.#removing.push(found);
      else await this.#suspect(found);
    };
    if (wanted.type === 'directory') {
      const apply = (change: TreeChange) => {
        change.makeDirectory(path);
        change.setMode(path, wanted);
      };
      return await suspect({ path, apply, drop: () => {} });
    }
    if (wanted.type === 'link') {
      return await suspect({ path, apply: (change) => change.makeLink(path, wanted), drop: () => {} });
    }
    const staged: StagedFile | null = await staging.fetch(this.#parts.client, path);
    if (staged === null) return;
    this.#stagedBytes += staged.entry.size;
    await suspect({
      path,
      apply: (change) => change.placeFile(path, staged),
      drop: () => staging.discard(staged.path),
    });
  }

  async #suspect(suspect: Suspect): Promise<void> {
    this.#suspects.push(suspect);
    if (this.#suspects.length >= suspectsAtATime || this.#stagedBytes >= stagedBytesAtATime) {
      await this.#repair();
    }
  }

  async #repair(): Promise<void> {
    const { ask, done, change, log } = this.#parts;
    const suspects = this.#suspects;
    this.#suspects = [];
    this.#stagedBytes = 0;
    if (suspects.length === 0) return;
    const quiet = await ask(suspects.map(({ path }) => toKey(path)));
    for (const suspect of suspects) {
      if (!quiet.has(toKey(suspect.path))) {
        suspect.drop();
        continue;
      }
      this.#differences += 1;
      try {
        suspect.apply(change);
        this.#repaired += 1;
        log.warn({ path: printable(suspect.path) }, 'the scrub repaired a difference to the leader');
      } catch (error) {
        suspect.drop();
        log.error(
          { path: printable(suspect.path), reason: messageOf(error) },
          'a difference was not repaired',
        );
      }
    }
    await change.flush();
    done();
  }
}
