import { type EntriesPage, firstBehind } from './answers.ts';

/**
 * The names of a directory for its pages, although it is read at leisure: what changed since the reading began is looked
 * up when a page is made. So a page is true for the moment in which it is made, and costs what its names cost.
 */
export class DirectoryListing {
  #names: string[] = [];
  /** Made, removed or replaced since the reading began. */
  readonly #touched = new Set<string>();

  /** A record changed what the name is, or whether it is there. To be called from before the reading began. */
  touch(name: string): void {
    this.#touched.add(name);
  }

  /** @param names as they were read, each at some time since the reading began */
  complete(names: readonly string[]): void {
    this.#names = [...names].sort();
  }

  /**
   * @param exists whether the directory has the name now
   * @param limit the most names
   */
  page(after: string | null, limit: number, exists: (name: string) => boolean): EntriesPage {
    const start = after === null ? 0 : firstBehind(this.#names, after);
    const read = this.#names.slice(start, start + limit);
    const end = start + limit < this.#names.length ? read.at(-1) : undefined;
    const isInRange = (name: string) =>
      (after === null || name > after) && (end === undefined || name <= end);
    const touched = [...this.#touched].filter(isInRange);
    const names = [
      ...read.filter((name) => !this.#touched.has(name)),
      ...touched.filter((name) => exists(name)),
    ].sort();
    if (names.length <= limit) return { after, names, upTo: end ?? null };
    return { after, names: names.slice(0, limit), upTo: names[limit - 1] ?? null };
  }
}
