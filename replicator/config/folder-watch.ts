import { type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';

/**
 * Tells of changes in a folder and in some folders right below it. Each is watched by itself: Node's recursive watch
 * follows files by their inodes, and loses one that was replaced, as every file is that comes from a leader.
 */
export class FolderWatch {
  readonly #root: string;
  readonly #below: readonly string[];
  readonly #onChange: () => void;
  readonly #watchers = new Map<string, FSWatcher>();

  constructor(root: string, below: readonly string[], onChange: () => void) {
    this.#root = root;
    this.#below = below;
    this.#onChange = onChange;
    this.renew();
  }

  /** Watches what is there now and was not before. */
  renew(): void {
    for (const folder of ['', ...this.#below]) if (!this.#watchers.has(folder)) this.#watch(folder);
  }

  #watch(folder: string): void {
    try {
      const watcher = watch(join(this.#root, folder), { persistent: false }, (_event, name) => {
        // One of that name that was made anew is another folder.
        if (folder === '' && name !== null && this.#below.includes(name)) this.#end(name);
        this.renew();
        this.#onChange();
      });
      watcher.on('error', () => this.#end(folder));
      this.#watchers.set(folder, watcher);
    } catch {
      // It is not there yet: whoever renews later finds it.
    }
  }

  #end(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
  }
}
