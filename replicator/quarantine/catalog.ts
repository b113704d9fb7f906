import { randomUUID } from 'node:crypto';
import { type BigIntStats, lstatSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fromKey } from '../tree/path.ts';
import { Tree } from '../tree/tree.ts';
import type { ClockStep } from './clock-watch.ts';
import {
  folderRecordName,
  idOf,
  isBatch,
  isFolderRecord,
  numberOfRecord,
  numberOfThing,
  recordPlaceOf,
  toldByName,
} from './layout.ts';
import { measure, type Size, sizeOf, statsIfThere } from './measure.ts';
import type { Pace } from './pace.ts';
import { type QuarantineRecord, readRecord, redateRecord } from './record.ts';

/** One thing in quarantine, as much of it as is kept in memory. */
export interface Item {
  readonly id: string;
  /** Below the quarantine folder, one character a byte: `batch/thing` or `folder`. */
  readonly place: string;
  readonly atMs: number;
  /** Of a folder that is not measured yet, of itself alone. */
  readonly size: Size;
  readonly isMeasured: boolean;
  /** When it came, in elapsed time; null: it lay there already. */
  readonly cameAtMs: number | null;
  /** In the order in which they were found, whatever their age. */
  readonly number: number;
}

/** What the files of one record take. */
const recordDiskBytes = 4096;
/** A folder that changed less than this before it was read may change again within the same tick of its clock. */
const racyNs = 2_000_000_000n;
/** A record without its thing, or a batch without things, may belong to a move that is under way. */
const leftoverAfterMs = 3_600_000;

/**
 * What lies in quarantine, oldest first. The folders are the truth: they are looked at again and again, and what came or
 * went by whatever hand is taken in. A folder that did not change is not read again.
 */
export class Catalog {
  readonly root: string;
  readonly tree: Tree;
  /** Numbers of two catalogs do not compare. */
  readonly name = randomUUID();
  readonly #items = new Map<string, Item>();
  /** Places by batch. */
  readonly #batches = new Map<string, Set<string>>();
  readonly #readAtNs = new Map<string, bigint>();
  /** Places whose records have another time than is known by now. */
  readonly #misdated = new Set<string>();
  readonly #wallMs: () => number;
  readonly #elapsedMs: () => number;
  #sorted: Item[] | null = [];
  #diskBytes = 0;
  #names = 0;
  #isListed = false;
  #isComplete = false;
  #lastNumber = 0;

  constructor(root: string, wallMs: () => number, elapsedMs: () => number) {
    this.root = root;
    this.tree = new Tree(root);
    this.#wallMs = wallMs;
    this.#elapsedMs = elapsedMs;
  }

  /** Oldest first. */
  get items(): readonly Item[] {
    this.#sorted ??= [...this.#items.values()].sort(byAge);
    return this.#sorted;
  }

  get diskBytes(): number {
    return this.#diskBytes;
  }

  /** Files, folders, links and records. */
  get names(): number {
    return this.#names;
  }

  /** Of what was found last; 0: nothing was. */
  get lastNumber(): number {
    return this.#lastNumber;
  }

  /** Whether all of it was found once, folders not measured yet. */
  get isListed(): boolean {
    return this.#isListed;
  }

  /** Whether all of it was looked at once, folders measured. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  has(place: string): boolean {
    return this.#items.has(place);
  }

  /** Those whose id begins so. */
  find(prefix: string): Item[] {
    return this.items.filter(({ id }) => id.startsWith(prefix));
  }

  recordOf({ place }: Pick<Item, 'place'>): QuarantineRecord | null {
    return readRecord(join(this.root, fromPlace(recordPlaceOf(place))));
  }

  pathOf({ place }: Pick<Item, 'place'>): Buffer {
    return Buffer.concat([Buffer.from(`${this.root}/`), fromKey(place)]);
  }

  /**
   * Takes in what came and went since the last time, as far as it can be read.
   * @throws the first error of the file system, when all the rest is taken in
   */
  async refresh(pace: Pace): Promise<void> {
    const problems: unknown[] = [];
    const attempt = async (work: () => void | Promise<void>) => {
      try {
        await work();
      } catch (error) {
        problems.push(error);
      }
    };
    const names = readdirSync(this.root, { encoding: 'latin1' }).filter(
      (name) => !name.startsWith('.') && !isFolderRecord(name),
    );
    const there = new Set(names);
    for (const batch of this.#batches.keys()) {
      if (!there.has(batch)) await attempt(() => this.#forgetBatch(batch));
    }
    for (const name of names) {
      if (isBatch(name) && this.#isFolder(name)) await attempt(() => this.#refreshBatch(name, pace));
      else if (!this.#items.has(name)) this.#add(name, name);
      await pace.breathe();
    }
    this.#isListed = true;
    for (const place of [...this.#misdated]) {
      await attempt(() => this.#redate(place));
      await pace.breathe();
    }
    for (const item of [...this.items]) {
      if (!item.isMeasured) await this.#measure(item, pace);
    }
    this.#isComplete = true;
    if (problems.length > 0) throw problems[0];
  }

  /**
   * What came while the clock was wrong is dated anew, in its record when all is looked at next: a clock that was years
   * behind at the start would have what was set aside then dropped for its age as soon as the clock is right.
   */
  onClockStepped({ fromMs, toMs }: ClockStep): void {
    for (const item of this.#items.values()) {
      const { cameAtMs, atMs } = item;
      if (cameAtMs === null) continue;
      // What came just after the step has its date by the new clock already.
      const isDatedBefore = Math.abs(atMs - cameAtMs - fromMs) <= Math.abs(atMs - cameAtMs - toMs);
      if (!isDatedBefore) continue;
      this.#items.set(item.place, { ...item, atMs: atMs + toMs - fromMs });
      this.#misdated.add(item.place);
    }
    this.#sorted = null;
  }

  /** What was there is not there any more. */
  forget(place: string): void {
    const known = this.#items.get(place);
    if (known === undefined) return;
    this.#items.delete(place);
    this.#batches.get(batchOf(place))?.delete(place);
    this.#count(known, -1);
    if (this.#sorted?.[0]?.place === place) this.#sorted.shift();
    else this.#sorted = null;
  }

  async #refreshBatch(batch: string, pace: Pace): Promise<void> {
    const stats = this.#lstat(batch);
    if (stats === null || this.#readAtNs.get(batch) === stats.mtimeNs) return;
    const isSettled = BigInt(Math.round(this.#wallMs() * 1e6)) - stats.mtimeNs > racyNs;
    const names = readdirSync(join(this.root, batch), { encoding: 'latin1' });
    const there = new Set(names);
    for (const place of this.#batches.get(batch) ?? []) {
      if (!there.has(place.slice(batch.length + 1))) this.forget(place);
    }
    const numbers = new Set<number>();
    for (const name of names) {
      const number = numberOfThing(name);
      if (number === null) continue;
      numbers.add(number);
      const place = `${batch}/${name}`;
      if (!this.#items.has(place)) this.#add(batch, place);
      await pace.breathe();
    }
    this.#clearLeftovers(batch, names, numbers, stats);
    // One without things is looked at until it can go.
    if (isSettled && numbers.size > 0) this.#readAtNs.set(batch, stats.mtimeNs);
    else this.#readAtNs.delete(batch);
  }

  #add(batch: string, place: string): void {
    const stats = statsIfThere(this.tree, fromKey(place));
    if (stats === null) return;
    const record = this.recordOf({ place });
    const at = record?.at ?? toldByName(place).at ?? stats.ctime;
    const isMeasured = !stats.isDirectory();
    this.#lastNumber += 1;
    const number = this.#lastNumber;
    const cameAtMs = this.#isListed ? this.#elapsedMs() : null;
    const size = sizeOf(stats);
    const item = { id: idOf(place), place, atMs: at.getTime(), size, isMeasured, cameAtMs, number };
    this.#items.set(place, item);
    const places = this.#batches.get(batch) ?? new Set();
    this.#batches.set(batch, places.add(place));
    this.#count(item, 1);
    const last = this.#sorted?.at(-1);
    if (this.#sorted !== null && (last === undefined || byAge(last, item) < 0)) this.#sorted.push(item);
    else this.#sorted = null;
  }

  async #measure(item: Item, pace: Pace): Promise<void> {
    const path = fromKey(item.place);
    const stats = statsIfThere(this.tree, path);
    if (stats === null) return;
    const size = await measure(this.tree, path, stats, pace);
    // It may have been discarded meanwhile, or dated anew.
    const known = this.#items.get(item.place);
    if (known?.number !== item.number) return;
    const measured = { ...known, size, isMeasured: true };
    this.#count(known, -1);
    this.#count(measured, 1);
    this.#items.set(item.place, measured);
    this.#sorted = null;
  }

  #redate(place: string): void {
    const item = this.#items.get(place);
    if (item !== undefined) {
      redateRecord(join(this.root, fromPlace(recordPlaceOf(place))), new Date(item.atMs));
    }
    this.#misdated.delete(place);
  }

  #count({ size }: Item, sign: 1 | -1): void {
    this.#diskBytes += sign * (size.diskBytes + recordDiskBytes);
    this.#names += sign * (size.names + 1);
  }

  #forgetBatch(batch: string): void {
    for (const place of this.#batches.get(batch) ?? []) this.forget(place);
    this.#batches.delete(batch);
    this.#readAtNs.delete(batch);
    rmSync(join(this.root, fromPlace(folderRecordName(batch))), { force: true });
  }

  /** Records whose move never happened, since the power went, and folders that are empty by now. */
  #clearLeftovers(
    batch: string,
    names: readonly string[],
    things: ReadonlySet<number>,
    { mtimeMs }: BigIntStats,
  ): void {
    if (this.#wallMs() - Number(mtimeMs) < leftoverAfterMs) return;
    const alone = names.filter((name) => {
      const number = numberOfRecord(name);
      return number !== null && !things.has(number);
    });
    for (const name of alone) rmSync(join(this.root, batch, name), { force: true });
    if (alone.length === names.length) rmdirSync(join(this.root, batch));
  }

  #isFolder(name: string): boolean {
    return this.#lstat(name)?.isDirectory() ?? false;
  }

  #lstat(batch: string): BigIntStats | null {
    return lstatSync(join(this.root, batch), { bigint: true, throwIfNoEntry: false }) ?? null;
  }
}

function byAge(a: Item, b: Item): number {
  return a.atMs - b.atMs || (a.place < b.place ? -1 : a.place > b.place ? 1 : 0);
}

function batchOf(place: string): string {
  return place.split('/')[0] ?? '';
}

/** Places of records are made of ASCII but for folders that somebody else made. */
function fromPlace(place: string): string {
  return fromKey(place).toString('utf8');
}
