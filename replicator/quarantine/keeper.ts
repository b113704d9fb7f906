import { rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '#contracts/errors.ts';
import type {
  QuarantineAnswer,
  QuarantineBounds,
  QuarantineRequest,
  QuarantineSummary,
} from '#contracts/ipc/quarantine.ts';
import { errnoOf, Tree } from '../tree/tree.ts';
import { answerOf, entryOf } from './answers.ts';
import { type DropReason, type Limits, type Space, whyDropOldest } from './bounds.ts';
import { Catalog, type Item } from './catalog.ts';
import { ClockWatch } from './clock-watch.ts';
import { Discarded } from './discarded.ts';
import { ExpectedRoom } from './expected-room.ts';
import { recordPlaceOf } from './layout.ts';
import { Pace, restMs } from './pace.ts';

/** How often the disk is looked at; a disk that fills is met within so long. */
const everyMs = 1000;
/** How often what came or went by other hands is looked for. */
const refreshEveryMs = 60_000;

export interface KeeperOptions {
  readonly quarantineRoot: string;
  readonly filesRoot: string;
  readonly bounds: QuarantineBounds;
  readonly wallMs: () => number;
  readonly elapsedMs: () => number;
  readonly log: (level: 'info' | 'warn' | 'error', fields: object, message: string) => void;
  readonly space?: (folder: string) => Space;
}

/**
 * Keeps what lies in quarantine within its bounds and tells of it. It runs on a thread of its own, which disks may hold up
 * without holding up replication; between small pieces of work it rests.
 */
export class Keeper {
  readonly #options: KeeperOptions;
  readonly #catalog: Catalog;
  readonly #discarded: Discarded;
  readonly #files: Tree;
  readonly #clock: ClockWatch;
  readonly #pace: Pace;
  readonly #room = new ExpectedRoom();
  #refreshAtMs = 0;
  #maxBytes = 0;
  #removing: Promise<void> | null = null;
  /** The disk is short of room. */
  #isUrgent = false;

  /** @throws errors of the file system */
  constructor(options: KeeperOptions) {
    this.#options = options;
    const { quarantineRoot, filesRoot, wallMs, elapsedMs } = options;
    this.#catalog = new Catalog(quarantineRoot, wallMs, elapsedMs);
    this.#discarded = new Discarded(quarantineRoot);
    this.#files = new Tree(filesRoot);
    this.#clock = new ClockWatch(wallMs, elapsedMs);
    this.#pace = new Pace(elapsedMs, () => (this.#isUrgent ? 0 : restMs));
  }

  /**
   * For as long as the thread lives. The disk is looked at every second, however long it takes to look through what lies
   * there, or to remove it.
   */
  async run(onLooked: (summary: QuarantineSummary) => void): Promise<void> {
    const lookAfterDisk = async () => {
      await this.dropBeyondBounds();
      onLooked(this.summary());
    };
    await Promise.all([this.#repeat(lookAfterDisk), this.#repeat(() => this.keepUp())]);
  }

  /** Takes in what came and went, and removes what was discarded. @throws errors of the file system */
  async keepUp(): Promise<void> {
    try {
      await this.refresh();
    } finally {
      await this.removeDiscarded();
    }
  }

  /** Something was moved to quarantine. */
  onMoved(): void {
    this.#refreshAtMs = 0;
  }

  /** Looks at what there is, if it is time. */
  async refresh(): Promise<void> {
    if (this.#options.elapsedMs() < this.#refreshAtMs) return;
    this.#refreshAtMs = this.#options.elapsedMs() + refreshEveryMs;
    await this.#catalog.refresh(this.#pace);
  }

  /** Removes what was dropped or discarded; what comes meanwhile as well. */
  removeDiscarded(): Promise<void> {
    this.#removing ??= this.#discarded
      .empty(this.#pace)
      .then((left) => {
        if (left > 0) throw new Error(`${left} thing(s) that were discarded cannot be removed`);
      })
      .finally(() => {
        this.#removing = null;
      });
    return this.#removing;
  }

  answer(request: QuarantineRequest): QuarantineAnswer {
    try {
      return answerOf(request, {
        catalog: this.#catalog,
        files: this.#files,
        summary: () => this.summary(),
        wallMs: this.#options.wallMs,
        discard: (item, by) => this.#discard(item, `discarded from quarantine by ${by}`, {}),
      });
    } catch (error) {
      return { kind: 'refused', code: 'QUARANTINE_FAILED', message: messageOf(error) };
    }
  }

  summary(): QuarantineSummary {
    const { items, diskBytes, isComplete } = this.#catalog;
    const timeOf = (item: Item | undefined) =>
      item === undefined ? null : new Date(item.atMs).toISOString();
    return {
      entries: items.length,
      bytes: diskBytes,
      oldestAt: timeOf(items[0]),
      newestAt: timeOf(items.at(-1)),
      isComplete,
      maxBytes: this.#maxBytes,
      maxAgeMs: this.#options.bounds.maxAgeMs,
    };
  }

  async dropBeyondBounds(): Promise<void> {
    for (;;) {
      const clock = this.#clock.look();
      if (clock.stepped !== null) this.#catalog.onClockStepped(clock.stepped);
      const [oldest] = this.#catalog.items;
      const there = this.#space();
      const reason = this.#whyDrop(oldest, there, clock);
      this.#isUrgent = reason === 'disk-full';
      if (oldest === undefined || reason === null) return;
      // A disk that is full cannot wait until all is measured, but which is the oldest has to be known.
      if (!this.#catalog.isListed) return;
      this.#discard(oldest, 'dropped from quarantine', { code: 'QUARANTINE_DROPPED', reason });
      if (this.#isUrgent) {
        this.#room.onRemoved(oldest.size, there, this.#options.elapsedMs());
        await this.removeDiscarded();
      }
      await this.#pace.breathe();
    }
  }

  #space(): Space {
    const { quarantineRoot, elapsedMs, space = spaceOf } = this.#options;
    return this.#room.of(space(quarantineRoot), elapsedMs());
  }

  #whyDrop(oldest: Item | undefined, there: Space, clock: ReturnType<ClockWatch['look']>): DropReason | null {
    const { bounds } = this.#options;
    this.#maxBytes = maxBytesOf(bounds, there);
    if (oldest === undefined) return null;
    const { diskBytes: bytes, names, isComplete } = this.#catalog;
    // Which is the oldest is known once all of it was looked at.
    const maxBytes = isComplete ? this.#maxBytes : Number.POSITIVE_INFINITY;
    const limits: Limits = { ...bounds, maxBytes };
    return whyDropOldest({ oldestAtMs: oldest.atMs, bytes, names }, there, limits, clock);
  }

  /** @throws errors of the file system */
  #discard(item: Item, message: string, fields: { code?: string; reason?: DropReason }): void {
    const { id, path, at, bytes, reason: setAsideAs } = entryOf(this.#catalog, item);
    try {
      this.#discarded.take(this.#catalog.pathOf(item));
    } catch (error) {
      // Somebody else removed it.
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
    rmSync(join(this.#options.quarantineRoot, recordPlaceOf(item.place)), { force: true });
    this.#catalog.forget(item.place);
    this.#options.log('warn', { ...fields, id, path, at, bytes, setAsideAs }, message);
  }

  /** What goes wrong is told, once for as long as it stays the same, and tried again. */
  async #repeat(work: () => Promise<void>): Promise<never> {
    let told = '';
    for (;;) {
      const problem = await work().then(
        () => '',
        (error: unknown) => messageOf(error),
      );
      if (problem !== '' && problem !== told) {
        const fields = { code: 'QUARANTINE_FAILED', problem };
        this.#options.log('error', fields, 'the quarantine cannot be looked after');
      }
      told = problem;
      await delay(everyMs);
    }
  }
}

function maxBytesOf({ maxBytes }: QuarantineBounds, { totalBytes }: Space): number {
  return Math.floor('share' in maxBytes ? totalBytes * maxBytes.share : maxBytes.bytes);
}

function spaceOf(folder: string): Space {
  const { bsize, blocks, bavail, files, ffree } = statfsSync(folder);
  return {
    totalBytes: blocks * bsize,
    freeBytes: bavail * bsize,
    totalNames: files,
    freeNames: ffree,
  };
}
