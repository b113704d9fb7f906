import type { Logger } from '#contracts/log.ts';
import { shownKey } from '../tree/path.ts';
import type { FailedFile } from './failed-files.ts';
import type { Store } from './store.ts';

/**
 * Takes the files away whose flush failed, and doubts their names: a leader's content comes into new ones (P6). Only for a
 * host that is not in the in-sync set: it may be the last that has them.
 */
export class FailedFileReplacement {
  readonly #store: Store;
  #underWay: Promise<boolean> | null = null;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Once at a time. @returns whether there was something to take away; it is noted durably then */
  run(logger: Logger): Promise<boolean> {
    this.#underWay ??= this.#replace(logger).finally(() => {
      this.#underWay = null;
    });
    return this.#underWay;
  }

  async #replace(logger: Logger): Promise<boolean> {
    const { failedFiles, flusher } = this.#store;
    if (failedFiles.all.length === 0) return false;
    try {
      for (const failed of failedFiles.all) this.#takeAway(failed, logger);
      this.#store.rotate();
      await Promise.all([this.#store.flushLog(), flusher.everything()]);
      failedFiles.clear();
      return true;
    } catch (error) {
      this.#store.giveUp(error);
      return false;
    }
  }

  /** By all its names; what lies at its old path by now is asked for too. */
  #takeAway({ path, inode }: FailedFile, logger: Logger): void {
    const { tree, replica } = this.#store;
    tree.hint(inode, path);
    const names = tree.namesOf(inode);
    const doubted = [...new Set([path, ...names])];
    const shown = doubted.map(shownKey);
    logger.error({ code: 'FLUSH_FAILED', names: shown }, 'a file is fetched anew: its flush had failed');
    for (const name of doubted) replica.doubt(name, 'name');
    for (const name of names) tree.remove(name, 'record');
  }
}
