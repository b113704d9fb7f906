import { type FSWatcher, watch } from 'node:fs';
import { messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import { hostKeyFingerprints } from './host-keys.ts';
import { type ConfigSnapshot, readConfig } from './snapshot.ts';

const rescanMs = 10_000;
/** Editors write a file in several steps. */
const settleMs = 50;
/** A file that could not be read comes without notice once it can: its owner has changed, nothing else. */
const retryMs = 500;

/** The config root of this host, watched: by the kernel's notices, and by a look now and then for lost ones. */
export class ConfigRoot {
  readonly path: string;
  readonly #log: Logger;
  readonly #onChange: () => void;
  #snapshot: ConfigSnapshot = { digest: '', files: [] };
  #fingerprints: string[] = [];
  #watcher: FSWatcher | null = null;
  #pending: NodeJS.Timeout | null = null;
  #problem = '';

  constructor(path: string, log: Logger, onChange: () => void) {
    this.path = path;
    this.#log = log;
    this.#onChange = onChange;
    this.#read();
    this.#watch();
    setInterval(() => {
      this.#watch();
      this.refresh();
    }, rescanMs).unref();
  }

  /** As last read without an error: a config root that cannot be replicated leaves the one before in force (G7). */
  get snapshot(): ConfigSnapshot {
    return this.#snapshot;
  }

  get fingerprints(): string[] {
    return this.#fingerprints;
  }

  /** Reads it now. */
  refresh(): void {
    if (this.#read()) this.#onChange();
  }

  /** Whether it is another one than before. */
  #read(): boolean {
    let snapshot: ConfigSnapshot;
    try {
      snapshot = readConfig(this.path);
      this.#problem = '';
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== this.#problem)
        this.#log.error({ err: error }, `the config root is not replicated: ${problem}`);
      this.#problem = problem;
      this.#readIn(retryMs);
      return false;
    }
    if (snapshot.digest === this.#snapshot.digest) return false;
    this.#snapshot = snapshot;
    this.#fingerprints = hostKeyFingerprints(snapshot);
    return true;
  }

  #watch(): void {
    if (this.#watcher !== null) return;
    try {
      this.#watcher = watch(this.path, { recursive: true, persistent: false }, () => this.#readIn(settleMs));
      this.#watcher.on('error', () => {
        this.#watcher?.close();
        this.#watcher = null;
      });
    } catch {
      // It is not there yet: the next rescan tries again.
      this.#watcher = null;
    }
  }

  #readIn(delayMs: number): void {
    this.#pending ??= setTimeout(() => {
      this.#pending = null;
      this.refresh();
    }, delayMs).unref();
  }
}
