import type { EntriesPage } from '../core/answers.ts';
import type { TreePath } from '../core/uncertain-names.ts';
import { limits } from './limits.ts';
import type { LeaderPort, OpenDirectory } from './ports.ts';

const keptOpen = 8;
const attempts = 10;

/** The directories of which one follower gets pages: kept ready until their last page, a few at a time. */
export class DirectoryPages {
  readonly #port: LeaderPort;
  readonly #open = new Map<TreePath, OpenDirectory>();
  #isClosed = false;

  constructor(port: LeaderPort) {
    this.#port = port;
  }

  /**
   * Calls `answer` with the next page, in the turn for which it is true; with null when there is no directory then.
   * @throws Error when the directory becomes another one again and again
   */
  async page(
    path: TreePath,
    after: string | null,
    answer: (page: EntriesPage | null) => void,
  ): Promise<void> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const directory = this.#take(path) ?? (await this.#port.openDirectory(path));
      const page = directory?.page(after, limits.pageNames) ?? null;
      if (this.#isClosed || page === null) directory?.close();
      if (this.#isClosed) return;
      // It was another one, or none, when it was opened.
      if (page === null && this.#isDirectory(path)) continue;
      if (directory !== null && page !== null) this.#keep(path, directory, page.upTo === null);
      answer(page);
      return;
    }
    throw new Error(`the directory ${JSON.stringify(path)} does not stay the same`);
  }

  close(): void {
    this.#isClosed = true;
    for (const directory of this.#open.values()) directory.close();
    this.#open.clear();
  }

  #isDirectory(path: TreePath): boolean {
    return path === '' || this.#port.answerName(path).kind === 'directory';
  }

  #take(path: TreePath): OpenDirectory | null {
    const directory = this.#open.get(path) ?? null;
    this.#open.delete(path);
    return directory;
  }

  #keep(path: TreePath, directory: OpenDirectory, isDone: boolean): void {
    if (isDone || this.#open.has(path)) {
      directory.close();
      return;
    }
    this.#open.set(path, directory);
    const [oldest] = this.#open;
    if (this.#open.size <= keptOpen || oldest === undefined) return;
    oldest[1].close();
    this.#open.delete(oldest[0]);
  }
}
